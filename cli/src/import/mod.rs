//! `outrigger import`: the objects for what another gateway is configured to do, and a report of what they do not say.
//!
//! Nothing is dropped in silence: every value of the file is carried over, told as not needed, or told as lost. One file
//! a step:
//!
//! ```text
//! format -> source (reads, keeps account) -> bifrost | litellm (secrets, name, period, weights) -> objects -> settle -> report
//! ```

mod amount;
mod bifrost;
mod endpoint;
mod format;
mod headers;
mod line;
mod litellm;
mod name;
mod objects;
mod period;
mod report;
mod scrub;
mod secrets;
mod settle;
mod source;
mod weights;

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::Value;
use thiserror::Error;

use crate::check::counted;
use crate::style::{self, Style};
use name::Names;
use objects::{FILES, File, ImportedKind, ImportedObject};
use report::{Fate, Report};
use scrub::Scrub;
use secrets::NeededSecrets;
use source::ImportSource;

const REPORT: &str = "REPORT.md";

/// Longest configuration that is read.
const MOST_BYTES: u64 = 32 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, clap::Subcommand)]
enum From {
    /// Read the config.json of Bifrost.
    Bifrost(OfBifrost),
    /// Read the config.yaml of LiteLLM's proxy.
    Litellm(Import),
}

/// Whose configuration it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Product {
    Bifrost,
    LiteLlm,
}

impl Product {
    fn name(self) -> &'static str {
        match self {
            Product::Bifrost => "Bifrost",
            Product::LiteLlm => "LiteLLM",
        }
    }

    /// What stands in front of the name of a variable that holds a value.
    fn variable_mark(self) -> &'static str {
        match self {
            Product::Bifrost => "env.",
            Product::LiteLlm => "os.environ/",
        }
    }
}

#[derive(Debug, clap::Args)]
struct OfBifrost {
    #[command(flatten)]
    import: Import,
    /// The Bifrost that the file is for: before 1.5 an empty list of models, keys or providers allowed everything, since
    /// then it allows nothing. [default: what the file says, or what its lists look like]
    #[arg(long, value_name = "VERSION", value_parser = bifrost::Empty::of_version)]
    bifrost_version: Option<bifrost::Empty>,
}

#[derive(Debug, clap::Args)]
struct Import {
    file: PathBuf,
    /// Where to write the objects and REPORT.md. Absent: the objects to stdout.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The namespace of the objects. Absent: they name none.
    #[arg(long, value_name = "NAME", value_parser = namespace)]
    namespace: Option<String>,
    /// Write over what an earlier import wrote.
    #[arg(long)]
    force: bool,
    /// Copy keys that stand in the file itself, into Secrets.
    #[arg(long)]
    secrets: bool,
}

fn namespace(text: &str) -> Result<String, &'static str> {
    let letters = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    match letters && (1..=63).contains(&text.len()) && !text.starts_with('-') && !text.ends_with('-') {
        true => Ok(text.to_owned()),
        false => Err("a namespace is made of lower-case letters, digits and `-`"),
    }
}

#[derive(Debug, Error)]
enum ImportError {
    #[error("can't read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is larger than 32 MiB", path.display())]
    TooLarge { path: PathBuf },
    #[error("{} is no {format}: {message}", path.display())]
    Syntax { path: PathBuf, format: &'static str, message: String },
    #[error("{} holds no configuration of {product}: expected a mapping with {expected}", path.display())]
    Other { path: PathBuf, product: &'static str, expected: &'static str },
    #[error("can't write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} is there already: choose another --out, or write over it with --force", path.display())]
    Exists { path: PathBuf },
    #[error("can't write the objects as YAML")]
    Yaml(#[from] serde_yaml::Error),
}

/// What an importer works with, and what it makes.
struct Work<'s> {
    source: &'s ImportSource,
    /// The namespace in which the objects will be.
    namespace: &'s str,
    names: Names,
    secrets: NeededSecrets,
    objects: Vec<ImportedObject>,
}

/// What a configuration becomes.
struct Imported {
    objects: Vec<ImportedObject>,
    files: Vec<File>,
    report: Report,
}

pub(crate) fn main(args: &Args) -> ExitCode {
    let (import, product, version) = match &args.from {
        From::Bifrost(OfBifrost { import, bifrost_version }) => (import, Product::Bifrost, *bifrost_version),
        From::Litellm(import) => (import, Product::LiteLlm, None),
    };
    let imported = match read(import, product, version) {
        Ok(imported) => imported,
        Err(error @ (ImportError::Yaml(_) | ImportError::Write { .. } | ImportError::Exists { .. })) => {
            return style::fail(&error);
        }
        Err(error) => {
            style::fail(&error);
            return ExitCode::from(2);
        }
    };
    let name = import.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let report = imported.report.markdown(&format!("From {}'s {name} to Outrigger", product.name()));
    let written = match &import.out {
        Some(dir) => write(dir, &imported.files, &report, import.force),
        None => print(&imported.files),
    };
    if let Err(error) = written {
        return style::fail(&error);
    }
    // Without a stderr there is nobody to tell.
    let _ = io::stderr().lock().write_all(style::screen(&report).as_bytes());
    let on = imported.objects.iter().filter(|object| object.off.is_none()).count();
    let told = |fate| imported.report.count(fate);
    style::say(format_args!(
        "{}, {} lost, {} read in one of several ways{}",
        counted(on, "object"),
        told(Fate::Lost),
        told(Fate::Doubtful),
        import.out.as_ref().map(|dir| format!("; see {}", dir.join(REPORT).display())).unwrap_or_default(),
    ));
    let Some(Silent { line, all }) = silent(&imported.objects, product) else { return ExitCode::SUCCESS };
    style::say(format_args!("{}", Style::of(&io::stderr()).red(line)));
    if all { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What an import makes of a configuration that answers nobody.
struct Silent {
    /// A line that can't be overlooked.
    line: String,
    /// Nothing is left that could answer.
    all: bool,
}

const NOTHING: &str = "WARNING: NOTHING CAN ANSWER, and `outrigger run` will not start";

/// What answers nobody; none if everything is in use.
fn silent(objects: &[ImportedObject], product: Product) -> Option<Silent> {
    let is = |value: &Value| value.get("suspended") == Some(&Value::Bool(true));
    let of = |kind| objects.iter().filter(move |object| object.kind == kind && object.off.is_none());
    let body = |object: &ImportedObject| Value::Object(object.body.clone());
    let (mut credentials, mut off, mut providers_off, mut providers) = (0, 0, 0, 0);
    for provider in of(ImportedKind::Provider).map(body) {
        let all = provider.get("credentials").and_then(Value::as_array).cloned().unwrap_or_default();
        let here = all.iter().filter(|one| is(one)).count();
        (credentials, off, providers) = (credentials + all.len(), off + here, providers + 1);
        providers_off += usize::from(is(&provider) || (!all.is_empty() && here == all.len()));
    }
    let keys = of(ImportedKind::Key).count();
    let keys_off = of(ImportedKind::Key).map(body).filter(|key| is(key)).count();
    if providers == 0 {
        let line = format!("{NOTHING}: no provider could be carried over. The report says why");
        return Some(Silent { line, all: true });
    }
    if off == 0 && keys_off == 0 && providers_off == 0 {
        return None;
    }
    let all = providers_off == providers || (keys > 0 && keys_off == keys);
    let verdict = if all { NOTHING } else { "WARNING" };
    let version = match product {
        Product::Bifrost => {
            "; if empty lists mean everything to your Bifrost (before 1.5), import again with --bifrost-version 1.4"
        }
        Product::LiteLlm => "",
    };
    let line = format!(
        "{verdict}: suspended are {off} of {}, {providers_off} of {} and {keys_off} of {}. The comments in providers.yaml and keys.yaml \
         say why{version}",
        counted(credentials, "credential"),
        counted(providers, "provider"),
        counted(keys, "key"),
    );
    Some(Silent { line, all })
}

fn read(import: &Import, product: Product, version: Option<bifrost::Empty>) -> Result<Imported, ImportError> {
    let path = || import.file.clone();
    let failed = |source| ImportError::Read { path: path(), source };
    if fs::metadata(&import.file).map_err(failed)?.len() > MOST_BYTES {
        return Err(ImportError::TooLarge { path: path() });
    }
    let text = fs::read_to_string(&import.file).map_err(failed)?;
    let syntax = |format| move |message| ImportError::Syntax { path: import.file.clone(), format, message };
    let (value, known, expected): (_, &[&str], _) = match product {
        Product::Bifrost => {
            let value = format::json(&text).map_err(syntax("JSON"))?;
            (value, &["providers", "governance"], "`providers` or `governance`")
        }
        Product::LiteLlm => {
            let value = format::yaml(&text).map_err(syntax("YAML"))?;
            (value, &["model_list", "litellm_settings", "router_settings", "general_settings"], "`model_list`")
        }
    };
    if !known.iter().any(|field| value.get(field).is_some()) {
        return Err(ImportError::Other { path: path(), product: product.name(), expected });
    }
    convert(value, (product, version), import.namespace.as_deref(), import.secrets)
}

/// What is read, and what the person says of its version.
type Told = (Product, Option<bifrost::Empty>);

fn convert(value: Value, from: Told, namespace: Option<&str>, write: bool) -> Result<Imported, ImportError> {
    let scrub = Scrub::of(&value);
    let secrets = NeededSecrets::new(write, &value, from.0.variable_mark());
    let source = ImportSource::new(value);
    let mut objects = carry(&source, secrets, from, namespace);
    let files = settle::settle(&mut objects, namespace, &source, &scrub)?;
    Ok(Imported { objects, files, report: source.finish().clean(&scrub) })
}

/// The objects, before they are judged.
fn carry(
    source: &ImportSource,
    secrets: NeededSecrets,
    (product, version): Told,
    namespace: Option<&str>,
) -> Vec<ImportedObject> {
    let mut work = Work {
        source,
        namespace: namespace.unwrap_or(outrigger_compile::DEFAULT_NAMESPACE),
        names: Names::default(),
        secrets,
        objects: Vec::new(),
    };
    match product {
        Product::Bifrost => bifrost::import(&mut work, version),
        Product::LiteLlm => litellm::import(&mut work),
    }
    let mut objects = work.objects;
    objects.extend(work.secrets.objects());
    objects
}

/// Reports models without a known price, if money is counted.
fn unpriced(work: &Work<'_>, path: &str) {
    let counts = |object: &ImportedObject| {
        let text = Value::Object(object.body.clone()).to_string();
        object.kind == ImportedKind::Budget || text.contains("\"budgets\"")
    };
    if work.objects.iter().any(counts) {
        work.source.tell(
            Fate::Doubtful,
            path,
            "a model without a price was free; here it is refused where money is counted: give it a price, or write `unpriced: Allow` into \
             the VirtualKey",
        );
    }
}

fn print(files: &[File]) -> Result<(), ImportError> {
    let failed = |source| ImportError::Write { path: PathBuf::from("stdout"), source };
    let text = files.iter().map(|file| file.text.as_str()).collect::<Vec<_>>().join("---\n");
    let mut stdout = io::stdout().lock();
    // A file gets it as it is; a person's terminal does not obey it.
    let text = if stdout.is_terminal() { style::screen(&text) } else { text };
    stdout.write_all(text.as_bytes()).map_err(failed)
}

/// Into a folder. What an earlier import left there would be served with the rest, so it goes.
fn write(dir: &Path, files: &[File], report: &str, force: bool) -> Result<(), ImportError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ImportError::Write { path, source }
    };
    for name in FILES.into_iter().chain([REPORT]) {
        let path = dir.join(name);
        if fs::symlink_metadata(&path).is_err() {
            continue;
        }
        if !force {
            return Err(ImportError::Exists { path });
        }
    }
    fs::create_dir_all(dir).map_err(failed(dir))?;
    for name in FILES.into_iter().chain([REPORT]) {
        let path = dir.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&path)(error)),
            _ => {}
        }
    }
    let report = File { name: REPORT, text: report.to_owned(), secret: false };
    for file in files.iter().chain([&report]) {
        let path = dir.join(file.name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        if file.secret {
            options.mode(0o600);
        }
        let mut open = options.open(&path).map_err(failed(&path))?;
        open.write_all(file.text.as_bytes()).map_err(failed(&path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOVERNANCE: &str = include_str!("../../tests/import/bifrost/governance.json");
    const OLDER: &str = include_str!("../../tests/import/bifrost/older.json");
    const PROXY: &str = include_str!("../../tests/import/litellm/proxy.yaml");

    fn fixtures() -> [(Product, Value); 3] {
        [
            (Product::Bifrost, format::json(GOVERNANCE).unwrap()),
            (Product::Bifrost, format::json(OLDER).unwrap()),
            (Product::LiteLlm, format::yaml(PROXY).unwrap()),
        ]
    }

    /// Pointers to all values, with whether each is a mapping.
    fn pointers(value: &Value, at: &str, into: &mut Vec<(String, bool)>) {
        into.push((at.to_owned(), value.is_object()));
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    pointers(value, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), into);
                }
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(index, value)| pointers(value, &format!("{at}/{index}"), into));
            }
            _ => {}
        }
    }

    #[test]
    fn a_field_that_nobody_knows_is_told_wherever_it_stands() {
        for (product, fixture) in fixtures() {
            let mut all = Vec::new();
            pointers(&fixture, "", &mut all);
            for (at, _) in all.into_iter().filter(|(_, mapping)| *mapping) {
                let mut value = fixture.clone();
                value.pointer_mut(&at).unwrap()["zz_unheard_of"] = Value::from(1);
                let source = ImportSource::new(value);
                carry(&source, NeededSecrets::default(), (product, None), None);
                let report = source.finish();
                let told = report.entries.iter().any(|entry| {
                    // By itself, or with all that it stands in.
                    let whole = entry.fate != Fate::Carried && entry.fate != Fate::Doubtful;
                    let within = entry.path.ends_with("zz_unheard_of") || prefix(&entry.path, &at);
                    (whole && within) || (entry.path.ends_with("zz_unheard_of") && entry.fate == Fate::Doubtful)
                });
                // Where names are the user's own, it is one of them, and is carried.
                let named = [
                    "aliases",
                    "extra_headers",
                    "model_group_alias",
                    "providers",
                    "provider_budget_config",
                    "environment_variables",
                ];
                let own = named.iter().any(|name| at.ends_with(name));
                assert!(told || own, "{product:?} {at}: {}", report.markdown("report"));
            }
        }
    }

    /// Whether a path of the report is the one at a pointer, or one around it.
    fn prefix(path: &str, pointer: &str) -> bool {
        let plain: String = path.replace("[\"", ".").replace("\"]", "").replace('[', ".").replace(']', "");
        let pointer = pointer.trim_start_matches('/').replace("~1", "/").replace('/', ".");
        let path = plain.replace('/', ".");
        !path.is_empty() && (pointer == path || pointer.starts_with(&format!("{path}.")))
    }

    #[test]
    fn whatever_stands_anywhere_nothing_panics_and_yaml_is_written() {
        let junk = [
            Value::Null,
            Value::Bool(true),
            Value::from(-1),
            Value::from(1e300),
            Value::from(""),
            Value::from("\u{0}\n---\nkind: Secret é"),
            serde_json::json!([]),
            serde_json::json!({}),
            serde_json::json!([[1], "x", null]),
            serde_json::json!({"a": {"b": "c"}}),
        ];
        for (product, fixture) in fixtures() {
            let mut all = Vec::new();
            pointers(&fixture, "", &mut all);
            for (index, (at, _)) in all.iter().enumerate().skip(1) {
                // Each place has its turn with two of them.
                for junk in [&junk[index % junk.len()], &junk[(index * 7 + 3) % junk.len()]] {
                    let mut value = fixture.clone();
                    *value.pointer_mut(at).unwrap() = junk.clone();
                    let source = ImportSource::new(value);
                    let objects = carry(&source, NeededSecrets::default(), (product, None), Some("some-where"));
                    for file in objects::files(&objects, Some("some-where")).unwrap() {
                        let read = outrigger_compile::read(file.name, &file.text);
                        let sound = read.findings.iter().all(|finding| !finding.message.starts_with("not YAML"));
                        assert!(sound, "{at}: {:?}", read.findings);
                    }
                }
            }
        }
    }
}
