// Runs a fuzz target over its corpus, then over seeded mutations of it, without libFuzzer: so that every build type
// and sanitizer meets the known bad inputs. Usage: fuzz_x <corpus folder> [seed]

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

namespace {

void run(std::string const& input) {
    LLVMFuzzerTestOneInput(reinterpret_cast<std::uint8_t const*>(input.data()), input.size());
}

std::string mutate(std::string input, std::string const& other, std::mt19937_64& random) {
    auto below = [&](std::size_t n) { return n == 0 ? 0 : random() % n; };
    auto const steps = 1 + below(4);
    for (std::size_t i = 0; i < steps; ++i) {
        std::size_t const at = below(input.size() + 1);
        switch (below(5)) {
        case 0:
            input.insert(at, 1, static_cast<char>(random()));
            break;
        case 1:
            input.erase(at, below(8));
            break;
        case 2:
            if (at < input.size())
                input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
            break;
        case 3:
            input = input.substr(0, at) + other.substr(below(other.size() + 1));
            break;
        default:
            input.insert(at, input.substr(below(input.size() + 1), below(32)));
            break;
        }
    }
    return input;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: %s <corpus folder> [seed]\n", argv[0]);
        return 2;
    }
    std::uint64_t const seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::random_device{}();
    std::vector<std::string> corpus;
    for (auto const& entry : std::filesystem::directory_iterator(argv[1])) {
        std::ifstream file(entry.path(), std::ios::binary);
        corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    if (corpus.empty()) {
        std::fprintf(stderr, "no corpus in %s\n", argv[1]);
        return 1;
    }
    std::printf("seed %llu, %zu corpus files\n", static_cast<unsigned long long>(seed), corpus.size());
    std::fflush(stdout);
    for (auto const& input : corpus)
        run(input);
    std::mt19937_64 random(seed);
    constexpr int mutations = 5000;
    for (int i = 0; i < mutations; ++i) {
        auto const& first = corpus[random() % corpus.size()];
        auto const& second = corpus[random() % corpus.size()];
        run(mutate(first, second, random));
    }
    std::printf("%zu inputs ran\n", corpus.size() + mutations);
    return 0;
}
