//! Refusals name the object that is responsible, and what to do.

use outrigger_policy::{KeyDoc, OnError, PolicyRefusal, ProviderDoc, Request, decide};

use crate::world::*;

#[test]
fn refusals_have_a_status_a_kind_and_a_message() {
    let ps = || {
        vec![
            crate::world::credentials(provider("openai", "OpenAI"), &["main"]),
            exclusive(models(provider("closed", "OpenAI"), &["own"])),
            ProviderDoc { suspended: true, ..provider("off", "Azure") },
            provider("secret", "vLLM"),
        ]
    };
    let entries = || vec![only(entry("openai", 1), &["gpt-4o*", "o3"]), entry("closed", 1), entry("off", 1)];
    let plain = || key(entries());
    let fails =
        || outrigger_policy::RuleDoc { on_error: OnError::Refuse, ..rule("odd", "int(model) > 1", &["openai"], &[]) };
    let logprobs = World { unfit: vec![("openai", "logprobs")], ..World::default() };
    let well = World::default();
    let keyless = KeyDoc { keyless: true, ..plain() };
    let empty = key(vec![]);
    for (what, key, rules, model, credential, world, expected) in [
        (
            "a misspelt model",
            plain(),
            vec![],
            "gtp-4o",
            None,
            &well,
            (
                404,
                "model_not_found",
                Some("model"),
                "no provider of VirtualKey t/k serves the model `gtp-4o`, did you mean `gpt-4o",
            ),
        ),
        (
            "like nothing",
            plain(),
            vec![],
            "zzz",
            None,
            &well,
            (
                404,
                "model_not_found",
                Some("model"),
                "no provider of VirtualKey t/k serves the model `zzz`; GET /v1/models lists all models; it has openai, closed, off",
            ),
        ),
        (
            "without a key",
            keyless,
            vec![],
            "zzz",
            None,
            &well,
            (
                404,
                "model_not_found",
                Some("model"),
                "no provider of a caller without a VirtualKey in namespace t serves",
            ),
        ),
        (
            "a key without providers",
            empty,
            vec![],
            "zzz",
            None,
            &well,
            (
                404,
                "model_not_found",
                Some("model"),
                "no provider of VirtualKey t/k serves the model `zzz`; GET /v1/models lists all models; it has no providers",
            ),
        ),
        (
            "another's provider",
            plain(),
            vec![],
            "secret/m",
            None,
            &well,
            (
                403,
                "provider_blocked",
                Some("model"),
                "VirtualKey t/k may not use the provider `secret`; it has openai, closed, off",
            ),
        ),
        (
            "denied",
            KeyDoc { deny: texts(&["o3"]), ..plain() },
            vec![],
            "o3",
            None,
            &well,
            (403, "model_blocked", Some("model"), "VirtualKey t/k does not allow the model `o3` (spec.models)"),
        ),
        (
            "outside the entry's list, bare",
            plain(),
            vec![],
            "gpt-4.1",
            None,
            &well,
            (
                403,
                "model_blocked",
                Some("model"),
                "VirtualKey t/k does not allow the model `gpt-4.1` (spec.providers[openai].models)",
            ),
        ),
        (
            "outside the entry's list, pinned",
            plain(),
            vec![],
            "openai/gpt-4.1",
            None,
            &well,
            (
                403,
                "model_blocked",
                Some("model"),
                "VirtualKey t/k does not allow the model `gpt-4.1` (spec.providers[openai].models)",
            ),
        ),
        (
            "exclusive",
            plain(),
            vec![],
            "closed/gpt-4o",
            None,
            &well,
            (
                403,
                "model_blocked",
                Some("model"),
                "LLMProvider t/closed is exclusive, and `gpt-4o` is not one of its models",
            ),
        ),
        (
            "suspended",
            plain(),
            vec![],
            "off/m",
            None,
            &well,
            (403, "provider_blocked", Some("model"), "LLMProvider t/off is suspended"),
        ),
        (
            "a credential of another name",
            plain(),
            vec![],
            "openai/gpt-4o",
            Some("gold"),
            &well,
            (403, "provider_blocked", None, "VirtualKey t/k may not use the credential `gold` of `openai`"),
        ),
        (
            "what the dialect cannot say",
            plain(),
            vec![],
            "openai/gpt-4o",
            None,
            &logprobs,
            (
                400,
                "unsupported_parameter",
                Some("logprobs"),
                "`logprobs` can't be sent to openai/gpt-4o, and no other candidate is left",
            ),
        ),
        (
            "a rule's target that the key may not use",
            plain(),
            vec![rule("r", "", &["secret/m"], &[])],
            "gpt-4o",
            None,
            &well,
            (
                403,
                "provider_blocked",
                Some("model"),
                "VirtualKey t/k may not use the provider `secret` (RoutingRule t/r decided); it has",
            ),
        ),
        (
            "a rule that fails, with onError: Refuse",
            plain(),
            vec![fails()],
            "gpt-4o",
            None,
            &well,
            (400, "invalid_request", None, "RoutingRule t/odd: `when` fails: "),
        ),
    ] {
        let policy = policy(ps(), key, rules);
        let decision = decide(&policy, &Request { credential, state: world, ..ask(model) });
        let PolicyRefusal { kind, message, param, .. } = decision.refusal.unwrap();
        let (status, kind) = (kind.status(), kind.name());
        assert_eq!((status, kind, param.as_deref()), (expected.0, expected.1, expected.2), "{what}: {message}");
        assert!(message.starts_with(expected.3), "{what}: {message}");
    }
}
