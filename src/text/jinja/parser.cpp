#include "text/jinja/parser.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <initializer_list>
#include <span>

#include "text/jinja/expression_parser.hpp"

namespace linnet::jinja {

namespace {

using Names = std::span<const std::string_view>;

class Parser : private ExpressionParser {
 public:
  explicit Parser(std::string_view source) : ExpressionParser(source) {}

  Body run() { return statements_until({}); }

 private:
  // ---- statements

  using StmtPtr = std::unique_ptr<Stmt>;

  StmtPtr statement(Stmt::Kind kind, int line) const {
    auto stmt = std::make_unique<Stmt>();
    stmt->kind = kind;
    stmt->line = line;
    return stmt;
  }

  // Statements up to a tag whose name is in `ends`, which stays the current token.
  Body statements_until(Names ends) {
    Body body;
    for (;;) {
      const Token& token = here();
      if (token.type == TokenType::kEnd) return body;
      if (token.type == TokenType::kData) {
        body.push_back(statement(Stmt::Kind::kData, token.line));
        body.back()->text = next().text;
      } else if (token.type == TokenType::kVariableBegin) {
        next();
        body.push_back(statement(Stmt::Kind::kPrint, token.line));
        body.back()->exprs.push_back(tuple(true, false));
        expect(TokenType::kVariableEnd);
      } else {
        expect(TokenType::kBlockBegin);
        if (here().type == TokenType::kName && std::ranges::find(ends, here().text) != ends.end()) return body;
        body.push_back(tag());
        expect(TokenType::kBlockEnd);
      }
    }
  }

  // The body of a statement: from the end of its tag to one of `ends`, whose name is returned by end_name().
  Body block(std::initializer_list<std::string_view> ends) {
    const Nested nested(*this);
    skip_op(":");
    expect(TokenType::kBlockEnd);
    open_.push_back({ends.begin(), ends.end()});
    Body body = statements_until(open_.back());
    if (here().type == TokenType::kEnd) unclosed("Unexpected end of template.", "");
    open_.pop_back();
    end_name_ = next().text;
    return body;
  }

  // jinja2's explanation of a tag that is not expected here.
  [[noreturn]] void unclosed(std::string message, std::string_view name) const {
    if (!open_.empty()) {
      std::string wanted;
      bool nesting = false;
      for (const auto& names : open_) nesting |= std::ranges::find(names, name) != names.end();
      for (const std::string_view end : open_.back()) {
        wanted += fmt::format("{}'{}'", wanted.empty() ? "" : " or ", end);
      }
      message += nesting
                     ? " You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for " +
                           wanted + "."
                     : " Jinja was looking for the following tags: " + wanted + ".";
    }
    if (!tags_.empty()) message += fmt::format(" The innermost block that needs to be closed is '{}'.", tags_.back());
    syntax(std::move(message));
  }

  StmtPtr tag() {
    const Token& token = here();
    if (token.type != TokenType::kName) syntax("tag name expected", token.line);
    struct Rule {
      std::string_view name;
      StmtPtr (Parser::*parse)();
    };
    constexpr Rule kRules[] = {
        {"for", &Parser::for_loop},
        {"if", &Parser::if_chain},
        {"set", &Parser::set},
        {"macro", &Parser::macro},
        {"call", &Parser::call_block},
        {"filter", &Parser::filter_block},
        {"with", &Parser::with},
        {"print", &Parser::print},
        {"block", &Parser::named_block},
        {"autoescape", &Parser::autoescape},
        {"generation", &Parser::generation},
        {"break", &Parser::break_or_continue},
        {"continue", &Parser::break_or_continue},
        {"include", &Parser::refused},
        {"import", &Parser::refused},
        {"from", &Parser::refused},
        {"extends", &Parser::refused},
    };
    for (const Rule& rule : kRules) {
      if (rule.name != token.text) continue;
      tags_.push_back(token.text);
      StmtPtr stmt = (this->*rule.parse)();
      tags_.pop_back();
      return stmt;
    }
    unclosed(fmt::format("Encountered unknown tag '{}'.", token.text), token.text);
  }

  StmtPtr refused() {
    fail(FaultKind::kUnsupported,
         fmt::format("the tag '{}' needs another template file, and a model has only its own", here().text),
         here().line);
  }

  StmtPtr for_loop() {
    StmtPtr stmt = statement(Stmt::Kind::kFor, next().line);
    stmt->target = target(false);
    if (!skip_name("in")) unexpected("in");
    stmt->exprs.push_back(tuple(false, false));
    stmt->exprs.push_back(skip_name("if") ? expression() : nullptr);
    stmt->recursive = skip_name("recursive");
    stmt->bodies.push_back(block({"endfor", "else"}));
    if (end_name_ == "else") stmt->bodies.push_back(block({"endfor"}));
    return stmt;
  }

  StmtPtr if_chain() {
    StmtPtr stmt = statement(Stmt::Kind::kIf, here().line);
    do {
      if (stmt->exprs.empty()) next();
      stmt->exprs.push_back(tuple(false, false));
      stmt->bodies.push_back(block({"elif", "else", "endif"}));
    } while (end_name_ == "elif");
    if (end_name_ == "else") stmt->bodies.push_back(block({"endif"}));
    return stmt;
  }

  StmtPtr set() {
    const int line = next().line;
    ExprPtr where = target(true);
    StmtPtr stmt = statement(skip_op("=") ? Stmt::Kind::kSet : Stmt::Kind::kSetBlock, line);
    stmt->target = std::move(where);
    if (stmt->kind == Stmt::Kind::kSet) {
      stmt->exprs.push_back(tuple(true, false));
      return stmt;
    }
    ExprPtr chain;
    while (skip_op("|")) chain = filter(std::move(chain));
    stmt->exprs.push_back(std::move(chain));
    stmt->bodies.push_back(block({"endset"}));
    return stmt;
  }

  void signature(Signature& out) {
    expect_op("(");
    while (!here().is_op(")")) {
      if (!out.names.empty()) expect_op(",");
      const int line = here().line;
      std::string name = expect_name();
      if (std::ranges::find(out.names, name) != out.names.end()) {
        syntax(fmt::format("duplicate argument '{}'", name), line);
      }
      out.names.push_back(std::move(name));
      if (skip_op("=")) {
        out.defaults.push_back(expression());
      } else if (!out.defaults.empty()) {
        syntax("non-default argument follows default argument");
      }
    }
    expect_op(")");
  }

  StmtPtr macro() {
    StmtPtr stmt = statement(Stmt::Kind::kMacro, next().line);
    stmt->text = expect_name();
    signature(stmt->signature);
    stmt->bodies.push_back(block({"endmacro"}));
    return stmt;
  }

  StmtPtr call_block() {
    StmtPtr stmt = statement(Stmt::Kind::kCallBlock, next().line);
    if (here().is_op("(")) signature(stmt->signature);
    stmt->exprs.push_back(expression());
    if (stmt->exprs[0]->kind != Expr::Kind::kCall) syntax("expected call", stmt->line);
    stmt->bodies.push_back(block({"endcall"}));
    return stmt;
  }

  StmtPtr filter_block() {
    StmtPtr stmt = statement(Stmt::Kind::kFilterBlock, next().line);
    ExprPtr chain = filter(nullptr);
    while (skip_op("|")) chain = filter(std::move(chain));
    stmt->exprs.push_back(std::move(chain));
    stmt->bodies.push_back(block({"endfilter"}));
    return stmt;
  }

  StmtPtr with() {
    StmtPtr stmt = statement(Stmt::Kind::kWith, next().line);
    while (here().type != TokenType::kBlockEnd) {
      if (!stmt->targets.empty()) expect_op(",");
      stmt->targets.push_back(target(false));
      expect_op("=");
      stmt->exprs.push_back(expression());
    }
    stmt->bodies.push_back(block({"endwith"}));
    return stmt;
  }

  StmtPtr print() {
    StmtPtr stmt = statement(Stmt::Kind::kPrint, next().line);
    while (here().type != TokenType::kBlockEnd) {
      if (!stmt->exprs.empty()) expect_op(",");
      stmt->exprs.push_back(expression());
    }
    return stmt;
  }

  StmtPtr named_block() {
    StmtPtr stmt = statement(Stmt::Kind::kBlock, next().line);
    stmt->text = expect_name();
    if (here().is_name("scoped") || here().is_name("required")) {
      fail(FaultKind::kUnsupported, fmt::format("blocks that are {} are not supported", here().text), here().line);
    }
    stmt->bodies.push_back(block({"endblock"}));
    skip_name(stmt->text);
    return stmt;
  }

  StmtPtr autoescape() {
    StmtPtr stmt = statement(Stmt::Kind::kScope, next().line);
    const ExprPtr value = expression();
    if (value->kind != Expr::Kind::kConst || truthy(value->constant)) {
      fail(FaultKind::kUnsupported, "autoescape is not supported: a prompt is not HTML", stmt->line);
    }
    stmt->bodies.push_back(block({"endautoescape"}));
    return stmt;
  }

  StmtPtr generation() {
    StmtPtr stmt = statement(Stmt::Kind::kGeneration, next().line);
    stmt->bodies.push_back(block({"endgeneration"}));
    return stmt;
  }

  StmtPtr break_or_continue() {
    const Token& token = next();
    return statement(token.text == "break" ? Stmt::Kind::kBreak : Stmt::Kind::kContinue, token.line);
  }

  std::string end_name_;
  std::vector<std::vector<std::string_view>> open_;  // the tags that would close each open block
  std::vector<std::string> tags_;                    // the open tags
};

}  // namespace

Body parse(std::string_view source) {
  Body body = Parser(source).run();
  analyze(body);
  return body;
}

}  // namespace linnet::jinja
