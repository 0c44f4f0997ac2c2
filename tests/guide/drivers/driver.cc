#include <fstream>
#include <iostream>
#include <iterator>

static std::string text(std::string const& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

static std::string trimmed(std::string out) {
    while (!out.empty() && out.back() == '\n')
        out.pop_back();
    return out;
}

int main(int, char** arguments) {
    std::string const folder = arguments[1];
    header_map headers;
    std::istringstream lines(text(folder + "/headers"));
    for (std::string line; std::getline(lines, line);)
        headers[line.substr(0, line.find(": "))] = line.substr(line.find(": ") + 2);
    auto const secret = trimmed(text(folder + "/secret"));
    auto const body = text(folder + "/body");
    std::cout << std::boolalpha << "standard=" << verify_standard(body, headers, secret, std::stoll(text(folder + "/now")))
              << " klen=" << verify_klen(body, headers, secret) << '\n';
}
