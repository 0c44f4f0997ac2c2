#pragma once
#include "third_party/pch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
