// The tree of a parsed template. Made by the parser, never changed afterwards; nesting is limited when it is made.
// Ownership: a node owns its children.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.hpp"

namespace linnet::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct Expr {
  enum class Kind {
    kConst,      // constant
    kName,       // name
    kAttribute,  // as a target only: name.attribute of a namespace
    kTuple,      // items
    kList,       // items
    kDict,       // items: key, value, key, value, …
    kUnary,      // name is "-", "+" or "not"; items[0]
    kBinary,     // name is the operator, "and" or "or"; items[0], items[1]
    kConcat,     // items
    kCompare,    // items[0] operators[0] items[1] operators[1] items[2] …
    kCondition,  // items: test, then, else (may be null)
    kGetattr,    // items[0] . name
    kGetitem,    // items[0] [ items[1] ]
    kSlice,      // items: start, stop, step (each may be null)
    kCall,       // items[0] ( arguments )
    kFilter,     // items[0] (null: the text of the block) | name ( arguments )
    kTest,       // items[0] is name ( arguments )
  };

  Kind kind;
  int line;
  int depth = 1;
  Value constant;
  std::string name;
  std::string attribute;
  std::vector<ExprPtr> items;
  std::vector<std::string> operators;
  // Of calls, filters and tests.
  std::vector<ExprPtr> arguments;
  std::vector<std::pair<std::string, ExprPtr>> keywords;
  ExprPtr star_arguments;
  ExprPtr star_keywords;
};

struct Stmt;
using Body = std::vector<std::unique_ptr<Stmt>>;

// What a macro or a call block takes.
struct Signature {
  std::vector<std::string> names;
  std::vector<ExprPtr> defaults;  // of the last names
  // Whether the body speaks of these, found by analyze().
  bool uses_caller = false;
  bool uses_kwargs = false;
  bool uses_varargs = false;
};

struct Stmt {
  enum class Kind {
    kData,         // text
    kPrint,        // exprs
    kIf,           // exprs[i] → bodies[i]; one more body is the else
    kFor,          // target in exprs[0] if exprs[1] (may be null): bodies[0], else bodies[1]
    kSet,          // target = exprs[0]
    kSetBlock,     // target = bodies[0] | exprs[0] (may be null)
    kMacro,        // text is the name; signature, bodies[0]
    kCallBlock,    // exprs[0] is the call; signature, bodies[0]
    kFilterBlock,  // bodies[0] | exprs[0]
    kWith,         // targets[i] = exprs[i] in bodies[0]
    kScope,        // bodies[0]
    kBlock,        // bodies[0], which sees the template's own variables only
    kGeneration,   // bodies[0] is what the assistant says
    kBreak,
    kContinue,
  };

  Kind kind;
  int line;
  std::string text;
  ExprPtr target;
  std::vector<ExprPtr> targets;
  std::vector<ExprPtr> exprs;
  std::vector<Body> bodies;
  Signature signature;
  bool recursive = false;
  bool uses_loop = false;  // found by analyze()
};

// Checks what jinja2's compiler checks (names of filters and tests, break outside a loop, assignment to loop), and
// fills uses_loop and the uses_… of signatures. Throws Fault kSyntax.
void analyze(Body& body);

// Names of filters and tests that exist.
bool is_filter_name(std::string_view name);
bool is_test_name(std::string_view name);

}  // namespace linnet::jinja
