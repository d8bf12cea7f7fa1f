//! Checks the volumes that belong to the gateway alone: their content, not only their names.

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, KeyToPath, SecretProjection, ServiceAccountTokenProjection, Volume, VolumeProjection,
};

use super::{AttestationError, cut};
use crate::names::{
    AUTHORITIES_FILE, IDENTITY_VOLUME, LABELS_FILE, POLICY_FILE, POLICY_VOLUME, SIGNATURES_FILE, STATE_VOLUME,
    TOKEN_FILE, TOKEN_VOLUME,
};
use crate::objects::binding::Binding;

pub(super) fn check(volumes: &[Volume]) -> Result<(), AttestationError> {
    for volume in volumes {
        let is_ours = match volume.name.as_str() {
            TOKEN_VOLUME => is_token(volume),
            POLICY_VOLUME => is_policy(volume),
            STATE_VOLUME => is_state(volume),
            IDENTITY_VOLUME => is_identity(volume),
            _ if holds_token(volume) => return Err(AttestationError::Token(cut(&volume.name))),
            _ => true,
        };
        if !is_ours {
            return Err(AttestationError::Volume(cut(&volume.name)));
        }
    }
    Ok(())
}

/// The sources of a projected volume; none for any other volume.
pub(super) fn sources(volume: &Volume) -> impl Iterator<Item = &VolumeProjection> {
    volume.projected.iter().flat_map(|projected| &projected.sources).flatten()
}

fn is_for_operator(token: &ServiceAccountTokenProjection) -> bool {
    token.audience.as_deref() == Some(outrigger_sync::AUDIENCE)
}

fn holds_token(volume: &Volume) -> bool {
    sources(volume).filter_map(|source| source.service_account_token.as_ref()).any(is_for_operator)
}

/// Whether this is the memory volume for what must survive a restart of the container. Any other volume could be
/// mounted elsewhere under a second name.
fn is_state(volume: &Volume) -> bool {
    volume.empty_dir.as_ref().is_some_and(|dir| dir.medium.as_deref() == Some("Memory"))
}

fn is_token(volume: &Volume) -> bool {
    let [source] = &sources(volume).collect::<Vec<_>>()[..] else { return false };
    let token = source.service_account_token.as_ref();
    token.is_some_and(|token| is_for_operator(token) && token.path == TOKEN_FILE)
}

/// Whether this is a token of the pod for somebody else: the gateway sends it to a cloud.
fn is_identity(volume: &Volume) -> bool {
    let [source] = &sources(volume).collect::<Vec<_>>()[..] else { return false };
    let token = source.service_account_token.as_ref();
    token.is_some_and(|token| token.audience.is_some() && !is_for_operator(token) && token.path == TOKEN_FILE)
}

/// Whether the sources are exactly the operator's: a binding's ConfigMap, optionally the whole Secret of the same name,
/// and then the labels. If two sources have the same path, the later one wins, so no other source is allowed.
fn is_policy(volume: &Volume) -> bool {
    let sources: Vec<&VolumeProjection> = sources(volume).collect();
    let (map, secret, labels) = match sources[..] {
        [map, secret, labels] => (map, Some(secret), labels),
        [map, labels] => (map, None, labels),
        _ => return false,
    };
    let Some(map) = &map.config_map else { return false };
    let is_its = |source: &VolumeProjection| {
        let is_whole = |secret: &SecretProjection| secret.items.as_ref().is_none_or(Vec::is_empty);
        source.secret.as_ref().is_some_and(|secret| secret.name == map.name && is_whole(secret))
    };
    is_generated(map) && secret.is_none_or(is_its) && is_labels(labels)
}

fn is_generated(map: &ConfigMapProjection) -> bool {
    let is_plain = |item: &KeyToPath, file: &str| item.key == file && item.path == file;
    // An older operator wrote no signatures. The arguments say whether the gateway requires them.
    let has_files = match map.items.as_deref().unwrap_or_default() {
        [policy, authorities, rest @ ..] => {
            is_plain(policy, POLICY_FILE)
                && is_plain(authorities, AUTHORITIES_FILE)
                && (rest.is_empty() || matches!(rest, [signatures] if is_plain(signatures, SIGNATURES_FILE)))
        }
        _ => false,
    };
    has_files && Binding::of_object("", &map.name).is_some()
}

fn is_labels(source: &VolumeProjection) -> bool {
    let items = source.downward_api.as_ref().and_then(|downward| downward.items.as_deref());
    let Some([item]) = items else { return false };
    item.path == LABELS_FILE && item.field_ref.as_ref().is_some_and(|field| field.field_path == "metadata.labels")
}
