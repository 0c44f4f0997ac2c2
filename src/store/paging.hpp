#pragma once

#include "session.hpp"

#include "klen/webhooks/store/api_store.hpp"

#include <algorithm>

namespace klen::webhooks::store {

/// The two statements of a list by page. Both take the same filter as their first parameters; `list` takes two more
/// behind it: how many rows, and how many come before them.
struct paged_statements {
    statement count;
    statement list;
};

/// One page, and how many rows there are on all pages. `at` reads one row.
template <class T>
result<page_of<T>> read_page(session& on, paged_statements const& with, parameters filter, page_request page,
                             T (*at)(rows const&, std::size_t)) {
    auto const counted = on.run(with.count, filter);
    if (!counted)
        return counted.error();
    std::int64_t const before = std::int64_t{std::max(page.page, 1U) - 1} * page.limit;
    auto const found = on.run(with.list, filter.int8(page.limit).int8(before));
    if (!found)
        return found.error();
    page_of<T> out;
    out.count = static_cast<std::uint64_t>(counted->int8(0, 0));
    for (std::size_t i = 0; i < found->size(); ++i)
        out.items.push_back(at(*found, i));
    return out;
}

} // namespace klen::webhooks::store
