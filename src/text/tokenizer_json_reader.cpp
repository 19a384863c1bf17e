#include "text/tokenizer_json_reader.hpp"

#include <fmt/format.h>
#include <limits>

namespace linnet {

namespace {

constexpr size_t kMaxKeys = 4096;  // of any object but the vocabulary

// The events of nlohmann's parser. Inside model.vocab and model.merges they fill vectors, elsewhere a tree.
class Handler : public nlohmann::json_sax<Json> {
 public:
  explicit Handler(TokenizerJson& out) : out_(out) {}

  const std::string& error() const { return error_; }

  bool null() override { return large() ? fail("null") : add(Json()); }
  bool boolean(bool value) override { return large() ? fail("true or false") : add(Json(value)); }
  bool number_integer(number_integer_t value) override { return large() ? number(value) : add(Json(value)); }
  bool number_unsigned(number_unsigned_t value) override {
    if (!large()) return add(Json(value));
    return value > static_cast<uint64_t>(INT64_MAX) ? fail("a number that does not fit")
                                                    : number(static_cast<int64_t>(value));
  }
  bool number_float(number_float_t value, const string_t&) override {
    if (!large()) return add(Json(value));
    if (area_ != Area::kScores || depth_ != 2 || scored_) return fail("a number with a point");
    return score(value);
  }
  bool string(string_t& value) override {
    if (!large()) return add(Json(std::move(value)));
    if (area_ == Area::kMerges) return merge_string(std::move(value));
    if (area_ == Area::kScores && depth_ == 2 && !named_) {
      named_ = true;
      out_.vocab.push_back({std::move(value), static_cast<int64_t>(out_.vocab.size()), TokenKind::kNormal});
      return true;
    }
    return fail("a string");
  }
  bool binary(binary_t&) override { return fail("binary data"); }

  bool start_object(std::size_t) override {
    if (large()) return fail("an object");
    if (path_is("vocab")) {
      area_ = Area::kIds;
      depth_ = 1;
      return true;
    }
    if (path_is("merges")) return fail("an object");
    return open(Json::object());
  }
  bool key(string_t& value) override {
    if (area_ == Area::kIds) {
      out_.vocab.push_back({std::move(value), -1, TokenKind::kNormal});
      return true;
    }
    Json& object = *stack_.back();
    if (object.size() >= kMaxKeys) {
      error_ = fmt::format("an object has more than {} keys", kMaxKeys);
      return false;
    }
    key_ = std::move(value);
    return true;
  }
  bool end_object() override {
    if (area_ == Area::kIds) {
      area_ = Area::kTree;
      return true;
    }
    return close();
  }
  bool start_array(std::size_t) override {
    if (large()) {
      if (depth_ != 1 || area_ == Area::kIds) return fail("a list");
      depth_ = 2;
      named_ = scored_ = false;
      parts_.clear();
      return true;
    }
    if (path_is("vocab") || path_is("merges")) {
      area_ = path_is("vocab") ? Area::kScores : Area::kMerges;
      out_.has_merges |= area_ == Area::kMerges;
      depth_ = 1;
      return true;
    }
    return open(Json::array());
  }
  bool end_array() override {
    if (!large()) return close();
    if (depth_ == 1) {
      area_ = Area::kTree;
      return true;
    }
    depth_ = 1;
    if (area_ == Area::kScores) return named_ && scored_ ? true : fail("a list that is not [token, score]");
    if (parts_.size() != 2) return fail(fmt::format("a list of {} strings", parts_.size()));
    out_.merges.emplace_back(std::move(parts_[0]), std::move(parts_[1]));
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& exception) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    const std::string_view what = exception.what();
    const size_t start = what.find("] ");
    error_ = "bad JSON: " + std::string(start == what.npos ? what : what.substr(start + 2));
    return false;
  }

 private:
  enum class Area { kTree, kIds, kScores, kMerges };

  bool large() const { return area_ != Area::kTree; }
  bool path_is(std::string_view key) const {
    return stack_.size() == 2 && names_.back() == "model" && key_ == key && stack_.back()->is_object();
  }

  bool fail(std::string_view what) {
    const std::string_view where = area_ == Area::kMerges ? "model.merges" : "model.vocab";
    const size_t at = area_ == Area::kMerges ? out_.merges.size() : out_.vocab.size();
    error_ = fmt::format("{} has {} where it must not, near entry {}", where, what, at);
    return false;
  }

  bool number(int64_t value) {
    if (area_ == Area::kScores && depth_ == 2 && named_ && !scored_) return score(static_cast<double>(value));
    if (area_ != Area::kIds) return fail("a number");
    out_.vocab.back().id = value;
    return true;
  }
  bool score(double value) {
    if (!named_) return fail("a number before the token");
    scored_ = true;
    out_.scores.push_back(value);
    return true;
  }

  bool merge_string(std::string value) {
    if (depth_ == 2) {
      parts_.push_back(std::move(value));
      return true;
    }
    // Files older than tokenizers 0.20: "left right". The first line may say "#version: 0.2".
    if (value.starts_with("#version")) return true;
    const size_t space = value.find(' ');
    if (space == std::string::npos || value.find(' ', space + 1) != std::string::npos) {
      return fail(fmt::format("{:?}, which is not two tokens with a space between,", value));
    }
    out_.merges.emplace_back(value.substr(0, space), value.substr(space + 1));
    return true;
  }

  Json* insert(Json value) {
    if (stack_.empty()) {
      out_.rest = std::move(value);
      return &out_.rest;
    }
    Json& parent = *stack_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[key_] = std::move(value));
  }
  bool add(Json value) {
    insert(std::move(value));
    return true;
  }
  bool open(Json value) {
    if (stack_.size() >= static_cast<size_t>(kMaxJsonDepth)) {
      error_ = fmt::format("JSON is nested deeper than {}", kMaxJsonDepth);
      return false;
    }
    names_.push_back(stack_.empty() || stack_.back()->is_array() ? std::string() : key_);
    stack_.push_back(insert(std::move(value)));
    return true;
  }
  bool close() {
    stack_.pop_back();
    names_.pop_back();
    return true;
  }

  TokenizerJson& out_;
  std::vector<Json*> stack_;  // the open arrays and objects; a parent does not grow while a child is open
  std::vector<std::string> names_;
  std::string key_;
  std::string error_;
  Area area_ = Area::kTree;
  int depth_ = 0;  // of arrays inside the area
  bool named_ = false;
  bool scored_ = false;
  std::vector<std::string> parts_;
};

}  // namespace

Result<TokenizerJson> read_tokenizer_json(std::string_view text, const std::string& place) {
  TokenizerJson read;
  Handler handler(read);
  const bool done = Json::sax_parse(text.begin(), text.end(), &handler);
  if (!done) return invalid(handler.error(), place);
  if (!read.rest.is_object()) return invalid("not a JSON object", place);
  return read;
}

}  // namespace linnet
