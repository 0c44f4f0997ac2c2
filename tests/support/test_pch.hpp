#pragma once
#include "../../src/third_party/pch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
