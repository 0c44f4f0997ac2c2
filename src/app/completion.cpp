#include "app/command_tree.hpp"

#include <string_view>

namespace klen::webhooks::app {

namespace {

/// One command as completion sees it.
struct place {
    struct option {
        std::vector<std::string> names; ///< "--config", "-c"; empty: a positional
        std::string help;
        bool takes_value = false;
        bool list = false; ///< values may be joined by commas
        bool file = false;
        std::vector<std::string> values;
    };
    std::string path;                                          ///< "webhook list"; empty: the root
    std::vector<std::pair<std::string, std::string>> commands; ///< name, description
    std::vector<option> options;
    std::vector<option> positionals;

    bool wants_file() const {
        for (auto const& positional : positionals)
            if (positional.file)
                return true;
        return false;
    }
};

place::option read_option(command_tree const& of, CLI::Option const* from) {
    place::option out;
    for (auto const& name : from->get_lnames())
        out.names.push_back("--" + name);
    for (auto const& name : from->get_snames())
        out.names.push_back("-" + name);
    out.help = from->get_description();
    out.takes_value = from->get_items_expected_max() > 0;
    out.list = from->get_delimiter() != '\0';
    out.file = of.takes_file(from);
    out.values = of.values_of(from);
    return out;
}

void walk(command_tree const& of, CLI::App const& app, std::string const& path, std::vector<place>& into) {
    place here;
    here.path = path;
    auto const all = [](CLI::App const*) { return true; };
    for (auto const* sub : app.get_subcommands(all))
        here.commands.emplace_back(sub->get_name(), sub->get_description());
    for (auto const* option : app.get_options())
        if (!option->get_group().empty()) // an empty group is one that the help does not show either
            (option->get_positional() ? here.positionals : here.options).push_back(read_option(of, option));
    into.push_back(std::move(here));
    for (auto const* sub : app.get_subcommands(all))
        walk(of, *sub, path.empty() ? sub->get_name() : path + " " + sub->get_name(), into);
}

// --- parts of a script, in the syntax that both shells share
// ------------------------------------------------------------

std::string shell_quoted(std::string_view text) {
    std::string out = "'";
    for (char const c : text)
        out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

void add_alternative(std::string& pattern, std::string const& text) {
    pattern.append(pattern.empty() ? "" : "|").append(shell_quoted(text));
}

/// 'webhook list:--limit'|'…': the options that `wanted` picks, each behind its command.
template <class Wanted>
std::string options_where(std::vector<place> const& places, Wanted const& wanted) {
    std::string out;
    for (auto const& here : places)
        for (auto const& option : here.options)
            for (auto const& name : option.names)
                if (wanted(option))
                    add_alternative(out, here.path + ":" + name);
    return out.empty() ? "''" : out;
}

std::string all_commands(std::vector<place> const& places) {
    std::string out;
    for (auto const& here : places)
        if (!here.path.empty())
            add_alternative(out, here.path);
    return out;
}

std::string quoted_words(std::vector<std::string> const& words) {
    std::string out;
    for (auto const& word : words)
        out.append(out.empty() ? "" : " ").append(shell_quoted(word));
    return out;
}

/// A branch for each option whose values are known.
std::string value_branches(std::vector<place> const& places) {
    std::string out;
    for (auto const& here : places)
        for (auto const& option : here.options) {
            std::string names;
            for (auto const& name : option.names)
                add_alternative(names, here.path + ":" + name);
            if (option.takes_value && !option.values.empty())
                out.append("            ").append(names).append(") values=(" + quoted_words(option.values) + ") ;;\n");
        }
    return out;
}

std::string with_parts(std::string text, std::vector<std::pair<std::string, std::string>> const& parts) {
    for (auto const& [name, value] : parts)
        for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at + value.size()))
            text.replace(at, name.size(), value);
    return text;
}

/// Walks the words before the cursor: `where` is the command so far, `before` an option whose value comes next.
constexpr char const* walk_words = R"(
        if [[ -n $before ]]; then before=; continue; fi
        case "${where}:${word}" in
            @VALUE_OPTIONS@) before=$word; continue ;;
        esac
        [[ $word == -* ]] && continue
        case "${where:+$where }${word}" in
            @COMMANDS@) where="${where:+$where }${word}" ;;
        esac
    done
)";

// --- bash
// ---------------------------------------------------------------------------------------------------------------

constexpr char const* bash_template =
    R"(# Completion of klen-webhooks for bash, made by `klen-webhooks completion bash`.
_klen_webhooks() {
    local current=${COMP_WORDS[COMP_CWORD]} where= before= word= prefix= file=
    local -a plain=() options=() values=()
    local -i i
    COMPREPLY=()
    # bash makes three words of --option=value.
    [[ $current == = ]] && current=
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        [[ $word == = ]] && continue@WALK@
    if [[ -n $before ]]; then
        case "${where}:${before}" in
            @FILE_OPTIONS@) file=1 ;;
@VALUES@        esac
        case "${where}:${before}" in
            @LIST_OPTIONS@)
                [[ $current == *,* ]] && prefix=${current%,*}, && current=${current##*,} ;;
        esac
    else
        case "$where" in
@PLACES@        esac
        if [[ $current == -* ]]; then
            values=("${options[@]}") file=
        elif [[ ${#plain[@]} -gt 0 || -n $file ]]; then
            values=("${plain[@]}")
        else
            values=("${options[@]}")
        fi
    fi
    if [[ -n $file ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
    fi
    for word in "${values[@]}"; do
        [[ $word == "$current"* ]] && COMPREPLY+=("$prefix$word")
    done
}
complete -F _klen_webhooks klen-webhooks
)";

std::string bash_places(std::vector<place> const& places) {
    std::string out;
    for (auto const& here : places) {
        std::vector<std::string> plain;
        for (auto const& [name, help] : here.commands)
            plain.push_back(name);
        for (auto const& positional : here.positionals)
            plain.insert(plain.end(), positional.values.begin(), positional.values.end());
        std::vector<std::string> options;
        for (auto const& option : here.options)
            options.insert(options.end(), option.names.begin(), option.names.end());
        out += "            " + shell_quoted(here.path) + ") plain=(" + quoted_words(plain) + ") options=(" +
               quoted_words(options) + ")" + (here.wants_file() ? " file=1" : "") + " ;;\n";
    }
    return out;
}

// --- zsh
// ----------------------------------------------------------------------------------------------------------------

constexpr char const* zsh_template = R"(#compdef klen-webhooks
# Completion of klen-webhooks for zsh, made by `klen-webhooks completion zsh`.
_klen_webhooks() {
    local current=${words[CURRENT]} where= before= word= file=
    local -a plain flags values
    local -i i
    for ((i = 2; i < CURRENT; i++)); do
        word=${words[i]}@WALK@
    if [[ -z $before && $current == --*=* ]]; then
        before=${current%%=*}
        compset -P '*='
    fi
    if [[ -n $before ]]; then
        case "${where}:${before}" in
            @FILE_OPTIONS@) _files; return ;;
@VALUES@        esac
        case "${where}:${before}" in
            @LIST_OPTIONS@) compset -P '*,' ;;
        esac
        [[ ${#values} -gt 0 ]] && compadd -a values
        return
    fi
    case "$where" in
@PLACES@    esac
    if [[ $current == -* ]]; then
        _describe -o option flags
    elif [[ -n $file ]]; then
        _files
    elif [[ ${#plain} -gt 0 ]]; then
        _describe command plain
    else
        _describe -o option flags
    fi
}
if [[ ${funcstack[1]} == _klen-webhooks ]]; then
    _klen_webhooks "$@"
else
    compdef _klen_webhooks klen-webhooks
fi
)";

std::string zsh_places(std::vector<place> const& places) {
    std::string out;
    for (auto const& here : places) {
        std::vector<std::string> plain;
        for (auto const& [name, help] : here.commands)
            plain.push_back(name + ":" + help);
        for (auto const& positional : here.positionals)
            plain.insert(plain.end(), positional.values.begin(), positional.values.end());
        std::vector<std::string> flags;
        for (auto const& option : here.options)
            for (auto const& name : option.names)
                flags.push_back(name + ":" + option.help);
        out += "        " + shell_quoted(here.path) + ")\n            plain=(" + quoted_words(plain) +
               ")\n            flags=(" + quoted_words(flags) + ")" + (here.wants_file() ? " file=1" : "") + " ;;\n";
    }
    return out;
}

} // namespace

std::string completion_script(command_tree const& of, std::string const& shell) {
    std::vector<place> places;
    walk(of, of.root(), "", places);
    bool const bash = shell == "bash";
    auto const takes_value = [](place::option const& o) { return o.takes_value; };
    auto const takes_file = [](place::option const& o) { return o.takes_value && o.file; };
    auto const takes_list = [](place::option const& o) { return o.takes_value && o.list; };
    return with_parts(bash ? bash_template : zsh_template,
                      {{"@WALK@", walk_words},
                       {"@VALUE_OPTIONS@", options_where(places, takes_value)},
                       {"@FILE_OPTIONS@", options_where(places, takes_file)},
                       {"@LIST_OPTIONS@", options_where(places, takes_list)},
                       {"@COMMANDS@", all_commands(places)},
                       {"@VALUES@", value_branches(places)},
                       {"@PLACES@", bash ? bash_places(places) : zsh_places(places)}});
}

} // namespace klen::webhooks::app
