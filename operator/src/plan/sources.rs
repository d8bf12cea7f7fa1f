//! The sources of a policy, stored beside it: gzip of canonical JSON. The same objects give the same bytes.
//!
//! ```json
//! {"format": 1, "objects": [{"apiVersion": …, "kind": …, "metadata": …, "spec": …}],
//!  "bundles": [{"kind": "ConfigMap", "namespace": …, "name": …, "key": …, "pem": …}],
//!  "secrets": [{"namespace": …, "name": …, "key": …, "uid": …, "resourceVersion": …}]}
//! ```
//!
//! Of Secrets only the versions are stored. Bundles of certificates are not secret; they are in the policy, too.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use outrigger_core::SecretRef;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::objects::refs::{ValueKind, ValueRef};
use crate::objects::version::ObjectVersion;
use crate::state::index::ValueSource;

const FORMAT: u32 = 1;
/// A policy's ConfigMap holds at most 1 MiB, and the policy comes first. Larger sources are not stored; then an object
/// that is broken after a restart has no last good version.
const LARGEST: usize = 120_000;
/// The limit for reading, so that a small file cannot fill the memory.
const LARGEST_UNPACKED: u64 = 8 << 20;

/// Why bytes are not valid sources.
#[derive(Debug, Error)]
pub enum SourcesError {
    #[error("it is not gzip, or over {LARGEST_UNPACKED} bytes unpacked: {0}")]
    Packed(#[from] std::io::Error),
    #[error("it has another shape: {0}")]
    Shape(#[from] serde_json::Error),
    #[error("its format is {0}, and this version reads {FORMAT}")]
    Format(u32),
}

#[derive(Debug, Serialize, Deserialize)]
struct SourcesFile {
    format: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    objects: Vec<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    bundles: Vec<BundleAt>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<SecretSeen>,
}

#[derive(Debug, Serialize, Deserialize)]
struct BundleAt {
    kind: String,
    namespace: String,
    name: String,
    key: String,
    pem: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretSeen {
    #[serde(flatten)]
    at: SecretRef,
    uid: String,
    resource_version: String,
}

/// The uid and the resource version of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SecretVersion {
    pub uid: String,
    pub resource_version: String,
}

/// The sources as read.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub objects: Vec<ObjectVersion>,
    pub bundles: Vec<(ValueRef, ValueSource)>,
    pub secrets: BTreeMap<SecretRef, SecretVersion>,
}

/// A bundle of certificates, as a provider uses it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SourceBundle<'a> {
    pub wanted: &'a ValueRef,
    pub key: &'a str,
    pub pem: &'a str,
}

/// Encodes the sources. Empty if they would be too large.
pub(crate) fn write<'a>(
    objects: impl Iterator<Item = &'a ObjectVersion>,
    bundles: impl Iterator<Item = SourceBundle<'a>>,
    secrets: impl Iterator<Item = (&'a SecretRef, &'a SecretVersion)>,
) -> Vec<u8> {
    let bundle = |bundle: SourceBundle<'_>| BundleAt {
        kind: bundle.wanted.holder.name().to_owned(),
        namespace: bundle.wanted.namespace.clone(),
        name: bundle.wanted.name.clone(),
        key: bundle.key.to_owned(),
        pem: bundle.pem.to_owned(),
    };
    let secret = |(at, version): (&SecretRef, &SecretVersion)| SecretSeen {
        at: at.clone(),
        uid: version.uid.clone(),
        resource_version: version.resource_version.clone(),
    };
    let written = SourcesFile {
        format: FORMAT,
        objects: objects.map(|version| canonical(version.value())).collect(),
        bundles: bundles.map(bundle).collect(),
        secrets: secrets.map(secret).collect(),
    };
    // Without a time or a name in the header, the same JSON gives the same bytes.
    let mut packed = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(6));
    let whole = serde_json::to_vec(&written).map_err(std::io::Error::from).and_then(|json| packed.write_all(&json));
    match whole.and_then(|()| packed.finish()) {
        Ok(bytes) if bytes.len() <= LARGEST => bytes,
        _ => Vec::new(),
    }
}

pub(crate) fn read(bytes: &[u8]) -> Result<Sources, SourcesError> {
    let mut json = Vec::new();
    let read = GzDecoder::new(bytes).take(LARGEST_UNPACKED + 1).read_to_end(&mut json)?;
    if read as u64 > LARGEST_UNPACKED {
        return Err(SourcesError::Packed(std::io::ErrorKind::FileTooLarge.into()));
    }
    let written: SourcesFile = serde_json::from_slice(&json)?;
    if written.format != FORMAT {
        return Err(SourcesError::Format(written.format));
    }
    let mut bundles: BTreeMap<ValueRef, Map<String, Value>> = BTreeMap::new();
    for BundleAt { kind, namespace, name, key, pem } in written.bundles {
        if let Some(holder) = ValueKind::named(&kind) {
            bundles.entry(ValueRef { holder, namespace, name }).or_default().insert(key, json!(pem));
        }
    }
    let bundle = |(wanted, keys): (ValueRef, Map<String, Value>)| {
        let field = if wanted.holder == ValueKind::Secret { "stringData" } else { "data" };
        let value = json!({
            "apiVersion": "v1",
            "kind": wanted.holder.name(),
            "metadata": {"namespace": wanted.namespace, "name": wanted.name},
            field: keys,
        });
        (wanted, ValueSource::remembered(value))
    };
    let secret =
        |secret: SecretSeen| (secret.at, SecretVersion { uid: secret.uid, resource_version: secret.resource_version });
    Ok(Sources {
        objects: written.objects.iter().filter_map(ObjectVersion::of).collect(),
        bundles: bundles.into_iter().map(bundle).collect(),
        secrets: written.secrets.into_iter().map(secret).collect(),
    })
}

/// The same value with its fields sorted by name.
pub(crate) fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort_unstable();
            let field = |name: &String| Some((name.clone(), canonical(fields.get(name)?)));
            Value::Object(names.into_iter().filter_map(field).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        other => other.clone(),
    }
}
