#include "klen/webhooks/egress/url.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::egress {
namespace {

url_policy strict() { return {}; }
url_policy open() { return {true, {}, true}; }

struct accepted {
    std::string given;
    std::string url;
    std::string host;
    std::uint16_t port;
    std::string path_and_query;
    std::string host_header;
};

TEST(url, parts_are_taken_apart_and_normalised) {
    for (auto const& a : std::vector<accepted>{
             {"https://example.com", "https://example.com/", "example.com", 443, "/", "example.com"},
             {"HTTPS://Example.COM:443/Hook", "https://example.com/Hook", "example.com", 443, "/Hook", "example.com"},
             {"https://example.com.:8443/a", "https://example.com:8443/a", "example.com", 8443, "/a",
              "example.com:8443"},
             {"https://example.com:/a", "https://example.com/a", "example.com", 443, "/a", "example.com"},
             {"https://example.com?x=1&y=%20", "https://example.com/?x=1&y=%20", "example.com", 443, "/?x=1&y=%20",
              "example.com"},
             {"https://example.com/?", "https://example.com/?", "example.com", 443, "/?", "example.com"},
             {"https://example.com/a/../b/%2e%2E/%C3%A9", "https://example.com/a/../b/%2e%2E/%C3%A9", "example.com",
              443, "/a/../b/%2e%2E/%C3%A9", "example.com"},
             {"https://8.8.8.8/x", "https://8.8.8.8/x", "8.8.8.8", 443, "/x", "8.8.8.8"},
             {"https://[2606:4700:0::1111]:8443/x", "https://[2606:4700::1111]:8443/x", "2606:4700::1111", 8443, "/x",
              "[2606:4700::1111]:8443"},
             {"https://B\xc3\xbc"
              "cher.example/",
              "https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, "/", "xn--bcher-kva.example"},
             {"https://fa\xc3\x9f.de:8443/x?y", "https://xn--fa-hia.de:8443/x?y", "xn--fa-hia.de", 8443, "/x?y",
              "xn--fa-hia.de:8443"},
             {"https://xn--bcher-kva.example", "https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, "/",
              "xn--bcher-kva.example"},
             {"https://a-b.1c.example2.com/", "https://a-b.1c.example2.com/", "a-b.1c.example2.com", 443, "/",
              "a-b.1c.example2.com"},
         }) {
        auto const t = parse_target(a.given, strict());
        ASSERT_TRUE(t) << a.given << ": " << t.error().message;
        EXPECT_EQ(t->url, a.url);
        EXPECT_EQ(t->host, a.host) << a.given;
        EXPECT_EQ(t->port, a.port) << a.given;
        EXPECT_EQ(t->path_and_query, a.path_and_query) << a.given;
        EXPECT_EQ(t->host_header, a.host_header) << a.given;
        EXPECT_TRUE(t->tls);
        auto const again = parse_target(t->url, strict());
        ASSERT_TRUE(again) << t->url;
        EXPECT_EQ(again->url, t->url) << "normalising twice changes it";
    }
}

TEST(url, an_origin_has_scheme_host_and_port) {
    EXPECT_EQ(parse_target("https://Example.com:443/a", strict())->origin(), "https://example.com");
    EXPECT_EQ(parse_target("http://example.com:8080/a", open())->origin(), "http://example.com:8080");
    EXPECT_EQ(parse_target("http://example.com:443/a", open())->origin(), "http://example.com:443");
    EXPECT_EQ(parse_target("https://[2606:4700::1]/", strict())->origin(), "https://[2606:4700::1]");
}

TEST(url, what_is_refused_is_refused_with_a_reason) {
    for (std::string const wrong :
         {"", " ", "example.com", "//example.com/", "/hook", "https:", "https://", "https:///hook", "https://:443/",
          "https:example.com", "https:/example.com", "http://example.com/", "ftp://example.com/", "file:///etc/passwd",
          "javascript://example.com/", "gopher://example.com/",
          // user names, spaces, controls, backslashes, percent in the host, fragments
          "https://user@example.com/", "https://user:pass@example.com/", "https://@example.com/",
          "https://example.com@evil.com/", "https://example.com /", "https://example.com/a b", " https://example.com/",
          "https://example.com/\n", "https://example.com/\r\nHost: x", "https://example.com/\t",
          "https://exam\tple.com/", "https://example.com\\@evil.com/", "https://example.com\\",
          "https://exam%70le.com/", "https://example.com%2fevil.com/", "https://%31%32%37.0.0.1/",
          "https://example.com/#x", "https://example.com#",
          // bad percent-encoding, raw characters that have no place in a path
          "https://example.com/%", "https://example.com/%2", "https://example.com/%zz", "https://example.com/{id}",
          "https://example.com/a|b", "https://example.com/\"", "https://example.com/<x>", "https://example.com/^",
          // addresses in odd spellings
          "https://2130706433/", "https://127.1/", "https://127.0.1/", "https://0x7f.1/", "https://0x7f.0.0.0x1/",
          "https://0177.0.0.1/", "https://127.0.0.01/", "https://127.0.0.1.1/", "https://127.0.0.256/",
          "https://0x7f000001/", "https://example.0x7f/", "https://example.123/", "https://1.2.3.4.5/", "https://0/",
          "https://8.8.8.8./", "https://127.0.0.1./", "https://8.8.8.8.example.com/", "https://8.8.8.8example.com/",
          "https://8.8.8.8-/", "https://[::1/", "https://[::1]x/", "https://[fe80::1%25eth0]/",
          "https://[fe80::1%eth0]/", "https://[v1.x]/", "https://[]/", "https://[::g]/", "https://::1/",
          // names that are no public ones
          "https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://a.localhost/", "https://printer/",
          "https://printer.local/", "https://db.internal/", "https://metadata.google.internal/", "https://local/",
          "https://example..com/", "https://.example.com/", "https://example.com../", "https://-a.example.com/",
          "https://a-.example.com/", "https://a_b.example.com/", "https://exa!mple.com/", "https://*.example.com/",
          "https://a,b.example.com/",
          // ports
          "https://example.com:0/", "https://example.com:65536/", "https://example.com:99999999999/",
          "https://example.com:x/", "https://example.com:-1/", "https://example.com:22/", "https://example.com:25/",
          "https://example.com:6379/", "https://example.com:5432/", "https://example.com:3306/"}) {
        auto const t = parse_target(wrong, strict());
        ASSERT_FALSE(t) << wrong << " became " << t->url;
        EXPECT_EQ(t.error().kind, fault::invalid_argument);
        EXPECT_TRUE(t.error().message.starts_with("url: ")) << t.error().message;
        EXPECT_LT(t.error().message.size(), 300U);
    }
}

TEST(url, a_url_without_a_scheme_is_told_which_there_are) {
    for (char const* wrong : {"example.com", "ftp://example.com/"}) {
        EXPECT_EQ(parse_target(wrong, open()).error().message, "url: must begin with https:// or http://");
        EXPECT_EQ(parse_target(wrong, strict()).error().message, "url: must begin with https://");
    }
}

TEST(url, a_nul_byte_or_delete_is_refused) {
    EXPECT_FALSE(parse_target(std::string_view("https://example.com/\0x", 22), strict()));
    EXPECT_FALSE(parse_target("https://example.com/\x7f", strict()));
}

TEST(url, names_in_other_scripts_cannot_smuggle_anything_in) {
    for (std::string const wrong :
         {"https://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.1/", // fullwidth digits: 127.1
          "https://lo\xe2\x93\x92"
          "alhost/",                                   // circled c
          "https://example\xe3\x80\x82localhost/",     // ideographic full stop
          "https://example.com\xef\xbc\x8f@evil.com/", // fullwidth solidus
          "https://exa\xe2\x84\x80mple.com/",          // a/c
          "https://example.com\xef\xbc\x9a"
          "22/", // fullwidth colon
          "https://\xe2\x80\x8b.com/", "https://\xff\xfe.com/", "https://example.com/\xc3\xa9",
          "https://b\xc3\xbc@example.com/", "https://\xe2\x80\xae.example.com/"})
        EXPECT_FALSE(parse_target(wrong, strict())) << wrong;
    // What maps to an address is one, and is judged as one.
    auto const mapped = parse_target("https://\xef\xbc\x98.8\xe3\x80\x82"
                                     "8.8/",
                                     strict());
    ASSERT_TRUE(mapped) << mapped.error().message;
    EXPECT_EQ(mapped->host, "8.8.8.8");
    EXPECT_TRUE(mapped->host_is_address);
}

TEST(url, plain_http_and_local_names_are_for_config_to_open) {
    auto const local = parse_target("http://localhost:8080/hook", open());
    ASSERT_TRUE(local);
    EXPECT_FALSE(local->tls);
    EXPECT_EQ(local->host_header, "localhost:8080");
    EXPECT_TRUE(parse_target("http://receiver/", open()));
    EXPECT_TRUE(parse_target("http://db.internal/", open()));
    EXPECT_FALSE(parse_target("http://localhost/", {false, {}, true}));
    EXPECT_FALSE(parse_target("http://localhost/", {true, {}, false}));
    EXPECT_FALSE(parse_target("http://127.1/", open()));
}

TEST(url, an_address_is_not_judged_here) {
    for (std::string const given : {"https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/"}) {
        auto const t = parse_target(given, strict());
        ASSERT_TRUE(t) << given;
        EXPECT_TRUE(t->host_is_address);
    }
}

TEST(url, config_may_list_the_only_ports) {
    url_policy const p{false, {443, 6379}, false};
    EXPECT_TRUE(parse_target("https://example.com/", p));
    EXPECT_TRUE(parse_target("https://example.com:6379/", p));
    EXPECT_FALSE(parse_target("https://example.com:8443/", p));
}

TEST(url, length_is_limited) {
    std::string const start = "https://example.com/";
    EXPECT_TRUE(parse_target(start + std::string(2048 - start.size(), 'a'), strict()));
    EXPECT_FALSE(parse_target(start + std::string(2049 - start.size(), 'a'), strict()));
    EXPECT_TRUE(parse_target("https://" + std::string(63, 'a') + ".com/", strict()));
    EXPECT_FALSE(parse_target("https://" + std::string(64, 'a') + ".com/", strict()));
    std::string host;
    for (int i = 0; i < 126; ++i)
        host += "a.";
    EXPECT_TRUE(parse_target("https://" + host + "c/", strict()));
    EXPECT_FALSE(parse_target("https://" + host + "com/", strict()));
}

} // namespace
} // namespace klen::webhooks::egress
