//! `outrigger import`: translates another gateway's configuration into objects, with a report of what could not be
//! translated.
//!
//! Every value of the file is carried over, reported as not needed, or reported as lost. One file for each step:
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
mod output;
mod period;
mod report;
mod scrub;
mod secrets;
mod settle;
mod source;
mod unusable;
mod weights;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;
use thiserror::Error;

use crate::check::counted;
use crate::style::{self, Style};
use name::Names;
use objects::{File, ImportedKind, ImportedObject};
use output::REPORT;
use report::{Fate, Report};
use scrub::Scrub;
use secrets::NeededSecrets;
use source::ImportSource;
use unusable::{Unusable, unusable};

/// The largest configuration that is read.
const BYTES_MAX: u64 = 32 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, clap::Subcommand)]
enum From {
    /// Read the config.json of Bifrost.
    Bifrost(BifrostArgs),
    /// Read the config.yaml of LiteLLM's proxy.
    Litellm(ImportArgs),
}

/// The product of the configuration.
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

    /// The prefix of variables in its values.
    fn variable_mark(self) -> &'static str {
        match self {
            Product::Bifrost => "env.",
            Product::LiteLlm => "os.environ/",
        }
    }
}

#[derive(Debug, clap::Args)]
struct BifrostArgs {
    #[command(flatten)]
    import: ImportArgs,
    /// The version of Bifrost that the file is for: before 1.5 an empty list of models, keys or providers allowed
    /// everything, since then it allows nothing. [default: from the file's version or content]
    #[arg(long, value_name = "VERSION", value_parser = bifrost::Empty::of_version)]
    bifrost_version: Option<bifrost::Empty>,
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    file: PathBuf,
    /// Where to write the objects and REPORT.md. Absent: the objects to stdout.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The namespace of the objects. Absent: they name none.
    #[arg(long, value_name = "NAME", value_parser = namespace)]
    namespace: Option<String>,
    /// Overwrite the output of an earlier import.
    #[arg(long)]
    force: bool,
    /// Copy keys from the file itself into Secrets.
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
    #[error("{} has no configuration of {product}: expected a mapping with {expected}", path.display())]
    Other { path: PathBuf, product: &'static str, expected: &'static str },
    #[error("can't write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} already exists: choose another --out, or overwrite it with --force", path.display())]
    Exists { path: PathBuf },
    #[error("can't write the objects as YAML")]
    Yaml(#[from] serde_yaml::Error),
}

/// The state of an import, and its output.
struct Work<'s> {
    source: &'s ImportSource,
    /// The namespace in which the objects will be.
    namespace: &'s str,
    names: Names,
    secrets: NeededSecrets,
    objects: Vec<ImportedObject>,
}

/// The result of an import.
struct Imported {
    objects: Vec<ImportedObject>,
    files: Vec<File>,
    report: Report,
}

pub(crate) fn main(args: &Args) -> ExitCode {
    let (import, product, version) = match &args.from {
        From::Bifrost(BifrostArgs { import, bifrost_version }) => (import, Product::Bifrost, *bifrost_version),
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
        Some(dir) => output::write(dir, &imported.files, &report, import.force),
        None => output::print(&imported.files),
    };
    if let Err(error) = written {
        return style::fail(&error);
    }
    // An error means that there is no stderr to write to.
    let _ = io::stderr().lock().write_all(style::screen(&report).as_bytes());
    let on = imported.objects.iter().filter(|object| object.off.is_none()).count();
    let count = |fate| imported.report.count(fate);
    style::print_line(format_args!(
        "{}, {} lost, {} read in one of several ways{}",
        counted(on, "object"),
        count(Fate::Lost),
        count(Fate::Doubtful),
        import.out.as_ref().map(|dir| format!("; see {}", dir.join(REPORT).display())).unwrap_or_default(),
    ));
    let Some(Unusable { line, all }) = unusable(&imported.objects, product) else { return ExitCode::SUCCESS };
    style::print_line(format_args!("{}", Style::of(&io::stderr()).red(line)));
    if all { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn read(import: &ImportArgs, product: Product, version: Option<bifrost::Empty>) -> Result<Imported, ImportError> {
    let path = || import.file.clone();
    let failed = |source| ImportError::Read { path: path(), source };
    if fs::metadata(&import.file).map_err(failed)?.len() > BYTES_MAX {
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

/// The parsed file, and the version from the command line.
type ImportInput = (Product, Option<bifrost::Empty>);

fn convert(value: Value, from: ImportInput, namespace: Option<&str>, write: bool) -> Result<Imported, ImportError> {
    let scrub = Scrub::of(&value);
    let secrets = NeededSecrets::new(write, &value, from.0.variable_mark());
    let source = ImportSource::new(value);
    let mut objects = translate(&source, secrets, from, namespace);
    let files = settle::settle(&mut objects, namespace, &source, &scrub)?;
    Ok(Imported { objects, files, report: source.finish().clean(&scrub) })
}

/// The objects before validation.
fn translate(
    source: &ImportSource,
    secrets: NeededSecrets,
    (product, version): ImportInput,
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

/// Reports models without a price, if there are limits of money.
fn report_unpriced(work: &Work<'_>, path: &str) {
    let counts = |object: &ImportedObject| {
        let text = Value::Object(object.body.clone()).to_string();
        object.kind == ImportedKind::Budget || text.contains("\"budgets\"")
    };
    if work.objects.iter().any(counts) {
        work.source.report(
            Fate::Doubtful,
            path,
            "a model without a price was free; here it is refused where money is counted: give it a price, or write `unpriced: Allow` into \
             the VirtualKey",
        );
    }
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
    fn unknown_fields_are_reported_everywhere() {
        for (product, fixture) in fixtures() {
            let mut all = Vec::new();
            pointers(&fixture, "", &mut all);
            for (at, _) in all.into_iter().filter(|(_, mapping)| *mapping) {
                let mut value = fixture.clone();
                value.pointer_mut(&at).unwrap()["zz_unheard_of"] = Value::from(1);
                let source = ImportSource::new(value);
                translate(&source, NeededSecrets::default(), (product, None), None);
                let report = source.finish();
                let reported = report.entries.iter().any(|entry| {
                    // Alone, or with everything around it.
                    let whole = entry.fate != Fate::Carried && entry.fate != Fate::Doubtful;
                    let within = entry.path.ends_with("zz_unheard_of") || prefix(&entry.path, &at);
                    (whole && within) || (entry.path.ends_with("zz_unheard_of") && entry.fate == Fate::Doubtful)
                });
                // Where names are the user's own, an unknown field is one of them and is carried over.
                let named = [
                    "aliases",
                    "extra_headers",
                    "model_group_alias",
                    "providers",
                    "provider_budget_config",
                    "environment_variables",
                ];
                let own = named.iter().any(|name| at.ends_with(name));
                assert!(reported || own, "{product:?} {at}: {}", report.markdown("report"));
            }
        }
    }

    /// Whether a path of the report is at a pointer, or above it.
    fn prefix(path: &str, pointer: &str) -> bool {
        let plain: String = path.replace("[\"", ".").replace("\"]", "").replace('[', ".").replace(']', "");
        let pointer = pointer.trim_start_matches('/').replace("~1", "/").replace('/', ".");
        let path = plain.replace('/', ".");
        !path.is_empty() && (pointer == path || pointer.starts_with(&format!("{path}.")))
    }

    #[test]
    fn unexpected_values_cause_no_panic_and_valid_yaml() {
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
                // Each path is changed twice.
                for junk in [&junk[index % junk.len()], &junk[(index * 7 + 3) % junk.len()]] {
                    let mut value = fixture.clone();
                    *value.pointer_mut(at).unwrap() = junk.clone();
                    let source = ImportSource::new(value);
                    let objects = translate(&source, NeededSecrets::default(), (product, None), Some("some-where"));
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
