#include "faults/preloaded.hpp"

#include "e2e/child.hpp"

#include <cstdint>
#include <filesystem>
#include <stdexcept>

#include <fcntl.h>
#include <unistd.h>

namespace klen::webhooks::faults {

namespace fs = std::filesystem;

namespace {

constexpr auto everybody_reads = fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec |
                                 fs::perms::others_read | fs::perms::others_exec;

/// The folder of the newest PostgreSQL's programs.
fs::path installed_programs() {
    fs::path newest;
    int most = 0;
    for (auto const& version : fs::directory_iterator("/usr/lib/postgresql"))
        if (auto const number = std::stoi(version.path().filename().string());
            number > most && fs::exists(version.path() / "bin/postgres")) {
            most = number;
            newest = version.path() / "bin";
        }
    if (newest.empty())
        throw std::runtime_error("no PostgreSQL in /usr/lib/postgresql");
    return newest;
}

} // namespace

preloaded::preloaded(std::string folder, std::string const& library, std::string variable)
    : folder_(std::move(folder)), variable_(std::move(variable)) {
    fs::create_directories(folder_);
    fs::permissions(folder_, everybody_reads);
    fs::copy_file(library, folder_ + "/preloaded.so");
    fs::permissions(folder_ + "/preloaded.so", everybody_reads);
    e2e::write_file(folder_ + "/number", std::string(sizeof(std::int64_t), '\0'));
    fs::permissions(folder_ + "/number", everybody_reads);
}

void preloaded::set(std::int64_t number) const {
    int const fd = ::open((folder_ + "/number").c_str(), O_WRONLY | O_CLOEXEC);
    auto const written = ::pwrite(fd, &number, sizeof number, 0);
    ::close(fd);
    if (written != static_cast<ssize_t>(sizeof number))
        throw std::runtime_error(folder_ + "/number cannot be written");
}

std::map<std::string, std::string> preloaded::environment() const {
    return {{"LD_PRELOAD", folder_ + "/preloaded.so"},
            {variable_, folder_ + "/number"},
            {"ASAN_OPTIONS", "verify_asan_link_order=0"}};
}

std::string preloaded::postgres_programs() const {
    auto const from = installed_programs();
    fs::path const to = folder_ + "/bin";
    fs::create_directories(to);
    fs::permissions(to, everybody_reads);
    for (auto const& program : fs::directory_iterator(from))
        if (program.path().filename() != "postgres")
            fs::create_symlink(program.path(), to / program.path().filename());
    std::string script = "#!/bin/sh\nexec env";
    for (auto const& [name, value] : environment())
        script.append(" ").append(name).append("=").append(value);
    e2e::write_file((to / "postgres").string(), script + " " + (from / "postgres").string() + " \"$@\"\n");
    fs::permissions(to / "postgres", everybody_reads);
    return to.string();
}

moved_clock::moved_clock(std::string folder) : preloaded(std::move(folder), KLEN_CLOCK_SHIM, "KLEN_CLOCK_SHIFT_FILE") {}

slow_disk::slow_disk(std::string folder) : preloaded(std::move(folder), KLEN_DISK_SHIM, "KLEN_DISK_DELAY_FILE") {}

} // namespace klen::webhooks::faults
