#include "klen/webhooks/store/master_keys.hpp"

#include "store/api_store_fixture.hpp"

namespace klen::webhooks::store {
namespace {

using namespace test;

using bytes = std::vector<std::uint8_t>;

class master_keys : public api_store_fixture {
  protected:
    /// `opens`: whether the key opens the secrets that it is shown.
    key_fit fit(std::string const& key_id, bytes const& check_value, bool opens = false) {
        return fit_master_key(db.options(), key_id, check_value,
                              [&](sealed_secret const& one, std::string const& account_id) {
                                  shown.emplace_back(one.key_id, account_id);
                                  return opens;
                              })
            .value();
    }
    std::vector<std::pair<std::string, std::string>> shown;
};

TEST_F(master_keys, the_first_use_of_an_id_is_put_on_record_and_another_key_refused) {
    EXPECT_EQ(fit("k1", {1, 0, 255}), key_fit::fits);
    EXPECT_EQ(fit("k1", {1, 0, 255}), key_fit::fits);
    EXPECT_EQ(fit("k1", {1, 0, 254}), key_fit::another_on_record);
    EXPECT_EQ(fit("k2", {1, 0, 254}), key_fit::fits);
    EXPECT_TRUE(shown.empty());
}

TEST_F(master_keys, where_there_are_secrets_already_it_must_open_one_of_them) {
    create("a");
    EXPECT_EQ(fit("k2", {2}), key_fit::fits) << "nothing is sealed under that one";
    EXPECT_EQ(fit("k1", {1}), key_fit::opens_nothing);
    EXPECT_EQ(shown, (std::vector{std::pair{std::string("k1"), std::string("a")}}));
    EXPECT_EQ(db.number("SELECT count(*) FROM master_keys WHERE key_id = 'k1'"), 0);
    EXPECT_EQ(fit("k1", {3}, true), key_fit::fits);
    EXPECT_EQ(fit("k1", {1}, true), key_fit::another_on_record) << "from now on the record counts";
}

TEST_F(master_keys, those_that_are_needed_and_not_here_are_named) {
    auto const missing = [&](std::vector<std::string> const& ours) {
        return missing_master_keys(db.options(), ours).value();
    };
    using ids = std::vector<std::string>;
    EXPECT_EQ(fit("k1", {1}), key_fit::fits);
    EXPECT_EQ(fit("k2", {2}), key_fit::fits);
    EXPECT_EQ(missing({}), ids{}) << "nothing is sealed under them";
    create("a");
    EXPECT_EQ(missing({"k2"}), ids{"k1"});
    EXPECT_EQ(missing({"k2", "k1"}), ids{});
    db.query("UPDATE webhook_secrets SET expires_at = now() - interval '1 s'");
    EXPECT_EQ(missing({"k2"}), ids{}) << "a secret that has expired needs no key";
}

TEST_F(master_keys, of_daemons_that_start_at_once_with_different_keys_one_kind_goes_on) {
    auto const fits = at_once(8, [&](int i) {
        return fit_master_key(db.options(), "k1", {static_cast<std::uint8_t>(i % 2)},
                              [](sealed_secret const&, std::string const&) { return false; })
            .value();
    });
    auto const on_record = db.number("SELECT get_byte(check_value, 0) FROM master_keys");
    for (int i = 0; i < 8; ++i)
        EXPECT_EQ(*fits[static_cast<std::size_t>(i)], i % 2 == on_record ? key_fit::fits : key_fit::another_on_record);
}

} // namespace
} // namespace klen::webhooks::store
