// Zip files for the tests, and wheels as pip wants them: a zip with METADATA, WHEEL and RECORD.
#pragma once

#include <filesystem>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>
#include <zip.h>

#include "base/process.hpp"
#include "hub/digest.hpp"

namespace linnet::testing_wheel {

inline std::string base64url_of_hex(std::string_view hex) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  uint32_t bits = 0;
  int held = 0;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bits = bits << 8 | static_cast<uint32_t>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    for (held += 8; held >= 6;) {
      held -= 6;
      out += kAlphabet[bits >> held & 63];
    }
  }
  if (held > 0) out += kAlphabet[bits << (6 - held) & 63];
  return out;
}

inline std::string sha256_of(std::string_view text) {
  Digest digest;
  digest.update(text);
  return digest.hex();
}

// The files by their names within the archive.
inline void write_zip(const std::filesystem::path& path, const std::map<std::string, std::string>& files) {
  std::filesystem::create_directories(path.parent_path());
  int code = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  ASSERT_NE(archive, nullptr);
  for (const auto& [name, text] : files) {
    zip_source_t* source = zip_source_buffer(archive, text.data(), text.size(), 0);
    EXPECT_GE(zip_file_add(archive, name.c_str(), source, ZIP_FL_ENC_GUESS), 0) << name;
  }
  EXPECT_EQ(zip_close(archive), 0);
}

struct WheelSpec {
  std::string package;  // with '_' for '-', as wheels are named
  std::string version = "1.0.0";
  std::map<std::string, std::string> files = {};
  std::vector<std::string> requirements = {};
  std::map<std::string, std::string> record_lies = {};  // file -> sha256 that RECORD claims
};

// Writes PACKAGE-VERSION-py3-none-any.whl into `folder`.
inline std::filesystem::path write_wheel(const std::filesystem::path& folder, WheelSpec spec) {
  const std::string info = spec.package + "-" + spec.version + ".dist-info/";
  std::string metadata =
      "Metadata-Version: 2.1\nName: " + spec.package + "\nVersion: " + spec.version + "\nLicense: Test-1.0\n";
  for (const std::string& requirement : spec.requirements) metadata += "Requires-Dist: " + requirement + "\n";
  spec.files[info + "METADATA"] = metadata + "\nName: a-liar-in-the-description\n";
  spec.files[info + "WHEEL"] = "Wheel-Version: 1.0\nGenerator: linnet-test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
  std::string record;
  for (const auto& [name, text] : spec.files) {
    const auto lie = spec.record_lies.find(name);
    const std::string sum = lie == spec.record_lies.end() ? sha256_of(text) : lie->second;
    record += name + ",sha256=" + base64url_of_hex(sum) + "," + std::to_string(text.size()) + "\n";
  }
  spec.files[info + "RECORD"] = record + info + "RECORD,,\n";
  std::filesystem::path path = folder / (spec.package + "-" + spec.version + "-py3-none-any.whl");
  write_zip(path, spec.files);
  return path;
}

}  // namespace linnet::testing_wheel
