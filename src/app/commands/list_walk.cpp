#include "app/commands/api_call.hpp"

#include "app/commands/complain.hpp"
#include "app/json_text.hpp"

namespace klen::webhooks::app {

namespace {

struct list_page {
    std::vector<std::string> items;
    std::string name;  ///< of the parameter that asks for the next page
    std::string value; ///< empty: this was the last one
    std::string place; ///< "page 1 of 3, 120 in all"
};

std::optional<list_page> read_page(json_answer const& answer, std::string const& plural) {
    auto items = items_of(answer.text, plural);
    if (!items)
        return std::nullopt;
    list_page out;
    out.items = std::move(*items);
    auto const page = number_member(answer.value, "page");
    auto const pages = number_member(answer.value, "pages");
    if (page && pages) {
        out.name = "page";
        if (*page < *pages)
            out.value = std::to_string(*page + 1);
        if (*pages > 1)
            out.place = "page " + std::to_string(*page) + " of " + std::to_string(*pages) + ", " +
                        text_member(answer.value, "count") + " in all";
    } else {
        out.name = "cursor";
        out.value = text_member(answer.value, "next_cursor");
        if (!out.value.empty())
            out.place = "there are more";
    }
    return out;
}

void set_query(api_request& request, std::string const& name, std::string const& value) {
    std::erase_if(request.query, [&name](auto const& part) { return part.first == name; });
    request.ask(name, value);
}

void print_page(list_page const& page, bool json, text_table& table, list_view const& view) {
    for (auto const& item : page.items) {
        if (json)
            std::cout << item << '\n';
        else if (auto const parsed = read_json(item))
            table.add(view.row(parsed->value));
    }
    std::cout << table.take() << std::flush;
}

/// Beside the table, not in it: a pipe gets rows only.
void tell_place(list_page const& page) {
    if (page.place.empty())
        return;
    std::cout.flush();
    std::cerr << page.place;
    if (!page.value.empty())
        std::cerr << ": --" << page.name << " " << terminal_safe(page.value, 256) << " for the next, --all for all";
    std::cerr << '\n';
}

} // namespace

int walk_list(api_caller const& call, pause_function const& pause, bool json, api_request request,
              paging_options const& paging, list_view const& view) {
    text_table table(view.columns, standard_output_style());
    bool any = false;
    for (std::string before;;) {
        auto const answer = call_patiently(call, pause, request);
        if (answer.has_error())
            return complain_about(answer.error());
        if (json && (!paging.all || !answer->ok()) && !answer->body.empty())
            std::cout << (answer->ok() ? answer->body : error_as_json(*answer)) << '\n';
        if (!answer->ok())
            return complain_about(*answer);
        auto const parsed = read_json(answer->body);
        auto const page = parsed ? read_page(*parsed, view.plural) : std::nullopt;
        if (!page)
            return complain(exit_failed, "the answer holds no list of " + view.plural + ": is --url the daemon's API?");
        if (json && !paging.all)
            return exit_ok;
        print_page(*page, json, table, view);
        any = any || !page->items.empty();
        if (!paging.all)
            tell_place(*page);
        if (!paging.all || page->value.empty() || (page->name == "page" && page->items.empty()))
            break;
        if (page->value == before)
            return complain(exit_failed, "the daemon names the same page again and again");
        before = page->value;
        set_query(request, page->name, page->value);
    }
    if (!any && !json)
        std::cerr << "none\n";
    return exit_ok;
}

int show_list(api_options const& api, result<api_request> const& request, paging_options const& paging,
              list_view const& view) {
    if (request.has_error())
        return complain(exit_usage, request.error().message);
    auto const call = caller_for(api);
    if (call.has_error())
        return complain(exit_usage, call.error().message);
    return walk_list(*call, pause_for, api.json, *request, paging, view);
}

} // namespace klen::webhooks::app
