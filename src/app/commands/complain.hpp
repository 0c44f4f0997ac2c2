#pragma once

#include "klen/webhooks/app/application.hpp"

#include <iostream>
#include <string_view>

namespace klen::webhooks::app {

/// One line to standard error; returns `code`.
inline int complain(int code, std::string_view what) {
    std::cout.flush();
    std::cerr << "klen-webhooks: " << what << '\n';
    return code;
}

} // namespace klen::webhooks::app
