#pragma once
#include <CLI/CLI.hpp>

#include "third_party/pch.hpp"
