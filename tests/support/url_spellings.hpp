#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace klen::webhooks::testing {

/// A way to write a URL, and what becomes of it where nothing but the public network is allowed.
struct url_spelling {
    std::string text;
    std::string host; ///< where it leads; empty: refused, by its spelling or by its address
};

namespace spelling {

/// The IPv4 address in every form that some parser of URLs takes for it.
inline std::vector<std::string> forms_of(std::uint32_t address) {
    auto const part = [address](int i) { return address >> (24 - 8 * i) & 0xff; };
    auto const number = [](std::uint32_t n, char const* prefix, unsigned base) {
        std::string digits;
        do
            digits.insert(digits.begin(), "0123456789abcdef"[n % base]);
        while ((n /= base) != 0);
        return prefix + digits;
    };
    auto const decimal = [&](std::uint32_t n) { return number(n, "", 10); };
    auto const octal = [&](std::uint32_t n) { return number(n, "0", 8); };
    auto const hex = [&](std::uint32_t n) { return number(n, "0x", 16); };
    auto const dots = [&](auto const& write) {
        return write(part(0)) + "." + write(part(1)) + "." + write(part(2)) + "." + write(part(3));
    };
    auto const padded = [&](std::uint32_t n) { return "00" + decimal(n); };
    std::vector<std::string> out{
        decimal(address),
        octal(address),
        hex(address),
        number(address, "0X", 16),
        dots(octal),
        dots(hex),
        dots(padded),
        decimal(part(0)) + "." + decimal(address & 0xffffff),
        decimal(part(0)) + "." + decimal(part(1)) + "." + decimal(address & 0xffff),
        hex(part(0)) + "." + decimal(address & 0xffffff),
        octal(part(0)) + "." + dots(decimal).substr(decimal(part(0)).size() + 1),
        dots(decimal) + ".",
        dots(decimal) + "..",
        "." + dots(decimal),
        dots(decimal) + ".0",
        "0." + dots(decimal),
        dots(decimal) + "%00",
        "[" + dots(decimal) + "]",
        "[::" + dots(decimal) + "]",
        "[::ffff:" + dots(decimal) + "]",
        "[::FFFF:" + dots(decimal) + "]",
        "[0:0:0:0:0:ffff:" + dots(decimal) + "]",
        "[::ffff:0:" + dots(decimal) + "]",
        "[64:ff9b::" + dots(decimal) + "]",
        "[64:ff9b:1::" + dots(decimal) + "]",
        "[2002:" + number(address >> 16, "", 16) + ":" + number(address & 0xffff, "", 16) + "::1]",
        "[::ffff:" + number(address >> 16, "", 16) + ":" + number(address & 0xffff, "", 16) + "]",
        "[fe80::5efe:" + dots(decimal) + "]",
    };
    // Digits and dots of other scripts.
    std::string wide;
    for (char const c : dots(decimal))
        wide += c == '.' ? std::string("\xe3\x80\x82") : "\xef\xbc" + std::string(1, static_cast<char>(c - '0' + 0x90));
    out.push_back(wide);
    std::string escaped;
    for (char const c : dots(decimal))
        escaped += "%" + number(static_cast<unsigned char>(c), "", 16);
    out.push_back(escaped);
    return out;
}

} // namespace spelling

/// More than three hundred.
inline std::vector<url_spelling> url_spellings() {
    std::vector<url_spelling> out;
    auto const refused = [&](std::string text) { out.push_back({std::move(text), ""}); };
    auto const leads_to = [&](std::string host, std::string text) {
        out.push_back({std::move(text), std::move(host)});
    };

    // What must not be reached, in every spelling of it.
    for (auto const address :
         {0x7f000001U /* loopback */, 0xa9fea9feU /* metadata */, 0x0a000001U, 0xc0a80101U, 0x00000000U, 0x64400001U}) {
        for (auto const& form : spelling::forms_of(address))
            refused("https://" + form + "/");
    }
    for (char const* host : {"0.0.0.0",
                             "10.0.0.1",
                             "100.64.0.1",
                             "127.0.0.1",
                             "127.255.255.254",
                             "169.254.169.254",
                             "172.16.0.1",
                             "192.0.0.1",
                             "192.0.2.1",
                             "192.88.99.1",
                             "192.168.0.1",
                             "198.18.0.1",
                             "198.51.100.1",
                             "203.0.113.1",
                             "224.0.0.1",
                             "240.0.0.1",
                             "255.255.255.255",
                             "168.63.129.16",
                             "[::]",
                             "[::1]",
                             "[0:0:0:0:0:0:0:1]",
                             "[0000:0000:0000:0000:0000:0000:0000:0001]",
                             "[::01]",
                             "[100::1]",
                             "[2001::1]",
                             "[2001:db8::1]",
                             "[2002:7f00:1::]",
                             "[2001:0:7f00:1::]",
                             "[3fff::1]",
                             "[5f00::1]",
                             "[fc00::1]",
                             "[fd00:ec2::254]",
                             "[fe80::1]",
                             "[fec0::1]",
                             "[ff02::1]",
                             "[::ffff:7f00:1]",
                             "[::7f00:1]",
                             "[64:ff9b::7f00:1]"})
        refused("https://" + std::string(host) + "/");

    // Names that are no public ones.
    for (char const* host : {"localhost",
                             "LOCALHOST",
                             "LocalHost",
                             "localhost.",
                             "a.localhost",
                             "a.localhost.",
                             "localhost.localdomain.local",
                             "printer",
                             "printer.",
                             "printer.local",
                             "db.internal",
                             "metadata.google.internal",
                             "local",
                             "internal",
                             "kubernetes.default.svc.internal",
                             "\xe2\x93\x9bocalhost",
                             "lo\xe2\x93\x92"
                             "alhost",
                             "loc\xc2\xad"
                             "alhost",
                             "localhost\xe3\x80\x82",
                             "\xef\xbd\x8c\xef\xbd\x8f\xef\xbd\x83\xef\xbd\x81\xef\xbd\x8c\xef\xbd\x88\xef\xbd\x8f"
                             "\xef\xbd\x93\xef\xbd\x94"})
        refused("https://" + std::string(host) + "/");

    // Last labels that look like numbers, so that some resolver takes the name for an address.
    for (char const* host : {"example.1",
                             "example.0",
                             "example.0x1",
                             "example.0x",
                             "example.127",
                             "a.b.255",
                             "1.2.3.4.5",
                             "1.2.3",
                             "256.256.256.256",
                             "1.2.3.256",
                             "08.8.8.8",
                             "8.8.8.08",
                             "0x8.8.8.8",
                             "8.8.2056",
                             "8.8.8.8.8",
                             "4294967296",
                             "134744072",
                             "0x08080808",
                             "8.8.8.8.example.com",
                             "8.8.8.8example.com",
                             "8.8.8.8-",
                             "127.0.0.1.example.com",
                             "127.0.0.1.nip.io"})
        refused("https://" + std::string(host) + "/");

    // Who is asked for, and who is asked.
    for (char const* text : {"https://user@example.com/",
                             "https://user:password@example.com/",
                             "https://@example.com/",
                             "https://:@example.com/",
                             "https://example.com@127.0.0.1/",
                             "https://127.0.0.1@example.com/",
                             "https://example.com:443@127.0.0.1/",
                             "https://example.com%40127.0.0.1/",
                             "https://example.com\\@127.0.0.1/",
                             "https://example.com\\.127.0.0.1/",
                             "https:\\\\example.com/",
                             "https:/\\example.com/",
                             "https://example.com#@127.0.0.1/",
                             "https://example.com\t@127.0.0.1/",
                             "https://example.com\n.evil.com/",
                             "https://example.com\r\nHost: evil.com/",
                             "https://example.com /",
                             "https:// example.com/",
                             " https://example.com/",
                             "https://example.com/ ",
                             "https://exam ple.com/",
                             "https://example.com%20/",
                             "https://example.com%2f@127.0.0.1/",
                             "https://example.com%00/",
                             "https://example.com%0d%0aHost:evil/",
                             "https://ex%61mple.com/",
                             "https://%6cocalhost/",
                             "https://[::1%25lo]/",
                             "https://[::1%lo]/",
                             "https://[fe80::1%25eth0]/",
                             "https://[::1]]/",
                             "https://[[::1]]/",
                             "https://[::1/",
                             "https://::1/",
                             "https://[]/",
                             "https://[:]/",
                             "https://[:::]/",
                             "https://[1::2::3]/",
                             "https://[::g]/",
                             "https://[12345::]/",
                             "https://[::1.2.3]/",
                             "https://[::1.2.3.4.5]/",
                             "https://[::ffff:1.2.3.256]/",
                             "https://[v1.fe80]/",
                             "https://[example.com]/",
                             "https://[::1]example.com/",
                             "https://[::1].example.com/",
                             "https://example.com[::1]/",
                             "https://example.com,127.0.0.1/",
                             "https://example.com;127.0.0.1/",
                             "https://example.com&127.0.0.1/",
                             "https://example.com|127.0.0.1/",
                             "https://exa<mple.com/",
                             "https://exa'mple.com/",
                             "https://exa\"mple.com/",
                             "https://exa{mple}.com/",
                             "https://exa$mple.com/",
                             "https://exa!mple.com/",
                             "https://exa*mple.com/",
                             "https://*.example.com/",
                             "https://exa_mple.com/",
                             "https://exa~mple.com/",
                             "https://exa=mple.com/",
                             "https://exa+mple.com/",
                             "https://example..com/",
                             "https://.example.com/",
                             "https://example.com../",
                             "https://./",
                             "https://../",
                             "https://.../",
                             "https://-example.com/",
                             "https://example-.com/",
                             "https://a.-b.com/",
                             "https://-/",
                             "https:///",
                             "https://",
                             "https:///example.com/",
                             "https:////example.com/",
                             "https://?x",
                             "https://#x",
                             "https://:443/",
                             "https://:/",
                             "https:example.com",
                             "https:/example.com/",
                             "https//example.com/",
                             "https;//example.com/",
                             "://example.com/",
                             "//example.com/",
                             "/example.com/",
                             "example.com",
                             "example.com/",
                             "example.com:443",
                             "www.example.com",
                             "",
                             "https"})
        refused(text);

    // Schemes.
    for (char const* scheme :
         {"http", "HTTP",   "ftp",    "ftps",       "file",        "gopher", "dict",  "ldap",   "ldaps", "tftp",
          "ws",   "wss",    "data",   "javascript", "jar",         "netdoc", "ssh",   "sftp",   "smb",   "telnet",
          "unix", "httpss", "xhttps", "https+unix", "view-source", "blob",   "about", "mailto", "h2",    "coap"})
        refused(std::string(scheme) + "://example.com/");

    // Ports.
    for (char const* port :
         {"0",     "00",    "-1",    "+443",   "65536", "99999",   "4294967739", "18446744073709552059",
          "443x",  "x",     "0x1bb", "443 ",   "4 43",  "443:443", "22",         "23",
          "25",    "53",    "110",   "135",    "139",   "143",     "389",        "445",
          "465",   "587",   "993",   "1433",   "2375",  "2379",    "3306",       "3389",
          "5432",  "5672",  "6379",  "6443",   "9042",  "9092",    "9200",       "10250",
          "11211", "27017", "022",   "0000022"})
        refused("https://example.com:" + std::string(port) + "/");

    // Behind the host.
    for (char const* rest :
         {"/#x",  "#",    "#x",     "/a b", "/a\\b", "/a\nb",     "/a\tb",     "/\x7f", "/%", "/%2",  "/%zz", "/{id}",
          "/a|b", "/<x>", "/\"x\"", "/^",   "/`x`",  "/\xc3\xa9", "?\xc3\xa9", "?a b",  "?%", "?{x}", "/?#"})
        refused("https://example.com" + std::string(rest));
    refused("https://example.com/" + std::string(2048, 'a'));
    refused("https://" + std::string(64, 'a') + ".com/");
    refused("https://example.com/" + std::string(1, '\0'));
    refused("https://example.com" + std::string(1, '\0') + ".evil.com/");

    // Other scripts.
    for (char const* host :
         {"example.com\xef\xbc\x8f.evil.com", "example.com\xef\xbc\x9f.evil.com", "example.com\xef\xbc\x83.evil.com",
          "example.com\xef\xbc\xa0"
          "127.0.0.1",
          "example.com\xef\xbc\x9a"
          "22",
          "exa\xe2\x84\x80mple.com", "\xe2\x80\x8b.com", "\xe2\x80\xae.example.com", "\xff.com", "\xc0\xae\xc0\xae.com",
          "example\xe3\x80\x82localhost", "xn--.com", "xn--a\xc3\xbc.com"})
        refused("https://" + std::string(host) + "/");

    // And what is meant to work.
    leads_to("example.com", "https://example.com");
    leads_to("example.com", "https://example.com/");
    leads_to("example.com", "HTTPS://EXAMPLE.COM/");
    leads_to("example.com", "hTTps://eXample.Com./");
    leads_to("example.com", "https://example.com:443/");
    leads_to("example.com", "https://example.com:/");
    leads_to("example.com", "https://example.com:00443/");
    leads_to("example.com", "https://example.com:8443/");
    leads_to("example.com", "https://example.com:65535/");
    leads_to("example.com", "https://example.com?x=127.0.0.1");
    leads_to("example.com", "https://example.com/@127.0.0.1/");
    leads_to("example.com", "https://example.com/127.0.0.1");
    leads_to("example.com", "https://example.com//127.0.0.1");
    leads_to("example.com", "https://example.com/https://127.0.0.1/");
    leads_to("example.com", "https://example.com/?u=https://127.0.0.1/%23");
    leads_to("example.com", "https://example.com/../../etc/passwd");
    leads_to("example.com", "https://example.com/%2e%2e/%00/%0d%0a");
    leads_to("a-b.example.com", "https://a-b.example.com/");
    leads_to("1.example.com", "https://1.example.com/");
    leads_to("0x7f.example.com", "https://0x7f.example.com/");
    leads_to("example.0xg", "https://example.0xg/");
    leads_to("local.example.com", "https://local.example.com/");
    leads_to("localhost.example.com", "https://localhost.example.com/");
    leads_to("notlocalhost.com", "https://notlocalhost.com/");
    leads_to("xn--bcher-kva.example", "https://b\xc3\xbc"
                                      "cher.example/");
    leads_to("xn--bcher-kva.example", "https://B\xc3\x9c"
                                      "CHER.example/");
    leads_to("xn--bcher-kva.example", "https://xn--bcher-kva.example/");
    leads_to("example.com", "https://\xef\xbd\x85xample\xe3\x80\x82"
                            "com/");
    leads_to("8.8.8.8", "https://8.8.8.8/");
    leads_to("8.8.8.8", "https://8.8.8.8:8443/x");
    leads_to("223.255.255.255", "https://223.255.255.255/");
    leads_to("2606:4700::1111", "https://[2606:4700::1111]/");
    leads_to("2606:4700::1111", "https://[2606:4700:0:0:0:0:0:1111]:8443/");
    leads_to("2a00::1", "https://[2A00::0001]/");
    leads_to("::ffff:8.8.8.8", "https://[::ffff:8.8.8.8]/");
    return out;
}

} // namespace klen::webhooks::testing
