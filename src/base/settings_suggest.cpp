#include "base/settings_suggest.hpp"

#include "base/setting.hpp"

#include <algorithm>
#include <numeric>

namespace klen::webhooks::settings {

namespace {

constexpr std::size_t longest_compared = 100;

/// Number of letters to insert, delete, replace, or swap with their neighbour (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> last(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(last.begin(), last.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            std::size_t const changed = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, changed});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = std::min(row[j], before[j - 2] + 1);
        }
        std::swap(before, last);
        std::swap(last, row);
    }
    return last[b.size()];
}

std::vector<std::string> homes_of(std::string_view name) {
    std::vector<std::string> out;
    for (section const& s : declared()) {
        for (setting const& member : s.members) {
            if (member.name == name)
                out.push_back("[" + s.name + "]");
        }
    }
    return out;
}

std::string either(std::vector<std::string> const& choices) {
    std::string out;
    for (std::string const& choice : choices)
        out.append(out.empty() ? "" : " or ").append(choice);
    return out;
}

/// What was meant is often a key of the same section without its unit, or with another.
std::string same_beginning(std::string_view name, std::vector<std::string> const& candidates) {
    std::vector<std::string> found;
    for (std::string const& candidate : candidates) {
        if (name.size() >= 4 && candidate.size() > name.size() && candidate.starts_with(name) &&
            candidate[name.size()] == '_')
            found.push_back(candidate);
    }
    return found.size() == 1 ? found[0] : std::string();
}

std::string did_you_mean(std::string const& name) { return name.empty() ? name : "; did you mean " + name + "?"; }

} // namespace

std::string nearest(std::string_view text, std::vector<std::string> const& candidates) {
    if (text.size() > longest_compared)
        return {};
    std::string best = same_beginning(text, candidates);
    if (!best.empty())
        return best;
    std::size_t least = std::max<std::size_t>(2, text.size() / 4) + 1;
    for (std::string const& candidate : candidates) {
        std::size_t const distance = edit_distance(text, candidate);
        if (distance < least && distance < candidate.size()) {
            least = distance;
            best = candidate;
        }
    }
    return best;
}

std::string suggest_value(std::string_view given, std::vector<std::string> const& allowed) {
    std::string lower(given);
    for (char& c : lower)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    constexpr std::size_t telling = 3; // letters that begin alike
    for (auto const& one : allowed)
        if (lower.size() >= telling && one.size() >= telling && (lower.starts_with(one) || one.starts_with(lower)))
            return did_you_mean(one);
    return did_you_mean(nearest(lower, allowed));
}

std::string suggest_section(std::string_view name) {
    std::vector<std::string> names;
    for (section const& s : declared())
        names.push_back(s.name);
    std::string const near = nearest(name, names);
    if (!near.empty())
        return did_you_mean("[" + near + "]");
    std::string all;
    for (std::string const& n : names)
        all.append(all.empty() ? "" : ", ").append(n);
    return "; the sections are: " + all;
}

std::string suggest_key(std::string_view in, std::string_view name) {
    if (auto const homes = homes_of(name); !homes.empty())
        return "; it belongs in " + either(homes);
    std::vector<std::string> here;
    std::vector<std::string> everywhere;
    for (section const& s : declared()) {
        for (setting const& member : s.members)
            (s.name == in ? here : everywhere).push_back(member.name);
    }
    if (std::string const near = nearest(name, here); !near.empty())
        return did_you_mean(near);
    std::string const far = nearest(name, everywhere);
    return far.empty() ? far : did_you_mean(far + " in " + either(homes_of(far)));
}

std::string suggest_home(std::string_view name) {
    auto const homes = homes_of(name);
    return homes.empty() ? "" : "; it belongs in " + either(homes);
}

std::string suggest_variable(std::string_view name) {
    std::vector<std::string> known{"KLEN_WEBHOOKS_CONFIG",   "KLEN_WEBHOOKS_URL",     "KLEN_WEBHOOKS_KEY",
                                   "KLEN_WEBHOOKS_KEY_FILE", "KLEN_WEBHOOKS_ACCOUNT", "KLEN_WEBHOOKS_SECRET"};
    for (section const& s : declared()) {
        for (setting const& member : s.members) {
            known.push_back(member.variable());
            if (member.secret)
                known.push_back(member.variable() + "_FILE");
        }
    }
    // The beginning is right in any case: what may differ is the rest.
    constexpr std::string_view prefix = "KLEN_WEBHOOKS_";
    for (std::string& k : known)
        k.erase(0, prefix.size());
    std::string const near = nearest(name.substr(prefix.size()), known);
    return near.empty() ? near : did_you_mean(std::string(prefix) + near);
}

} // namespace klen::webhooks::settings
