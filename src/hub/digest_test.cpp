#include "hub/digest.hpp"

#include <gtest/gtest.h>

#include "base/file.hpp"

namespace linnet {
namespace {

TEST(Digest, KnownAnswers) {
  Digest sha256;
  sha256.update("a");
  sha256.update("bc");  // FIPS 180-2, appendix B.1
  EXPECT_EQ(sha256.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Digest sha1(Digest::Kind::kSha1);
  sha1.update("abc");
  EXPECT_EQ(sha1.hex(), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

TEST(Digest, FilesAreReadToTheByte) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "linnet_digest";
  ASSERT_TRUE(write_file(path, "abcd").ok());
  Digest first;
  ASSERT_TRUE(digest_file(path, 3, first, nullptr, {}).ok());
  EXPECT_EQ(first.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Digest beyond;
  EXPECT_FALSE(digest_file(path, 5, beyond, nullptr, {}).ok());
  CancelToken token;
  token.cancel();
  EXPECT_EQ(sha256_file(path, &token).error().code, ErrorCode::kCancelled);
  std::filesystem::remove(path);
}

TEST(Digest, Base64OfWheels) {
  // From a real RECORD: sha256 of the four bytes "pip\n".
  EXPECT_EQ(sha256_hex_from_base64url("zuuue4knoyJ-UwPPXg8fezS7VCrXJQrAP7zeNuwvFQg"),
            "ceebae7b8927a3227e5303cf5e0f1f7b34bb542ad7250ac03fbcde36ec2f1508");
  EXPECT_EQ(sha256_hex_from_base64url("short"), "");
  EXPECT_EQ(sha256_hex_from_base64url("!uuue4knoyJ-UwPPXg8fezS7VCrXJQrAP7zeNuwvFQg"), "");
}

}  // namespace
}  // namespace linnet
