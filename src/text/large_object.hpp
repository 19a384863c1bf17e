// JSON objects of very many members: vocabularies.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.hpp"

namespace linnet {

// Appends in constant time; the object must not have the key already.
inline void append_member(Json& object, std::string key, Json value) {
  using Members = std::vector<Json::object_t::value_type>;
  static_cast<Members&>(object.get_ref<Json::object_t&>()).emplace_back(std::move(key), std::move(value));
}

}  // namespace linnet
