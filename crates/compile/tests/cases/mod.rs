//! Folders with one problem each, and valid folders.

pub struct Broken {
    pub name: &'static str,
    /// File names and texts. Lines that are trimmed at the start of a text don't count.
    pub files: &'static [(&'static str, &'static str)],
    pub keys: &'static [&'static str],
    pub environment: &'static [(&'static str, &'static str)],
    pub expected: &'static [&'static str],
}

/// One file, no arguments, an empty environment.
const fn broken(
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    expected: &'static [&'static str],
) -> Broken {
    Broken { name, files, keys: &[], environment: &[], expected }
}

/// A provider that anybody may use, so that a case has only its own problem.
macro_rules! provider {
    ($name:literal) => {
        concat!(
            "apiVersion: outrigger.dev/v1alpha1\nkind: LLMProvider\nmetadata: {name: ",
            $name,
            "}\nspec: {type: Mock, mock: {}, withoutKey: Allow}\n---\n"
        )
    };
}

macro_rules! object {
    ($kind:literal, $metadata:literal, $spec:literal) => {
        concat!(
            "apiVersion: outrigger.dev/v1alpha1\nkind: ",
            $kind,
            "\nmetadata: {",
            $metadata,
            "}\nspec:\n",
            $spec,
            "\n---\n"
        )
    };
}

pub const BROKEN: &[Broken] = &[
    broken(
        "no YAML",
        &[("a.yaml", "a: [1,\nb: 2\n")],
        &["a.yaml:2: not YAML: invalid indentation in flow construct (column 1): close the `[` or `{` before it"],
    ),
    broken(
        "a tab",
        &[("a.yaml", "a:\n\tb: 1\n")],
        &[
            "a.yaml:2: not YAML: tabs disallowed within this context (block indentation) (column 2): indent with spaces, not with tabs",
        ],
    ),
    broken(
        "a quote that is not closed",
        &[("a.yaml", "a: {b: \"c}\nd: 1\n")],
        &[
            "a.yaml:1: not YAML: while scanning a quoted scalar, found unexpected end of stream (column 8): the quote that opens here is never closed",
        ],
    ),
    broken(
        "a field that is indented too far",
        &[("a.yaml", "a:\n  b: 1\n   c: 2\n")],
        &[
            "a.yaml:3: not YAML: mapping values are not allowed in this context (column 5): compare the indentation with that of the lines above",
        ],
    ),
    broken(
        "what is named may be in what can't be read",
        &[
            ("a.yaml", "kind: [\n"),
            ("b.yaml", object!("VirtualKey", "name: k", "  providers: [{name: a}]\n  budgetRefs: [{name: b}]")),
        ],
        &[
            "a.yaml:2: not YAML: while parsing a node, did not find expected node content (column 1)",
            "b.yaml:5: warning: VirtualKey default/k: spec.providers[0].name: LLMProvider default/a is in no file that can be read: mend the others first",
            "b.yaml:6: warning: VirtualKey default/k: spec.budgetRefs[0]: Budget default/b is in no file that can be read: mend the others first",
        ],
    ),
    broken(
        "a provider alone, while a file can't be read",
        &[("a.yaml", "kind: [\n"), ("b.yaml", object!("LLMProvider", "name: a", "  type: Ollama"))],
        &["a.yaml:2: not YAML: while parsing a node, did not find expected node content (column 1)"],
    ),
    broken(
        "a misspelt group",
        &[(
            "a.yaml",
            concat!(provider!("a"), "apiVersion: outriger.dev/v1alpha1\nkind: VirtualKey\nmetadata: {name: k}\n"),
        )],
        &["a.yaml:6: VirtualKey default/k: apiVersion: must be outrigger.dev/v1alpha1, the only supported version"],
    ),
    broken(
        "no group",
        &[("a.yaml", concat!(provider!("a"), "apiVersion: v1alpha1\nkind: VirtualKey\nmetadata: {name: k}\n"))],
        &["a.yaml:6: VirtualKey default/k: apiVersion: must be outrigger.dev/v1alpha1, the only supported version"],
    ),
    broken(
        "a misspelt kind is not reported as missing",
        &[(
            "a.yaml",
            concat!(
                object!("LlmProvider", "name: a", "  type: Ollama"),
                object!("VirtualKey", "name: k", "  providers: [{name: a}]")
            ),
        )],
        &[
            "a.yaml:2: LlmProvider default/a: kind: unknown kind, did you mean `LLMProvider`? outrigger.dev/v1alpha1 has Budget, LLMProvider, ModelCatalog, RoutingRule, VirtualKey",
            "a.yaml:11: warning: VirtualKey default/k: spec.providers[0].name: LLMProvider default/a can't be used until it is repaired",
        ],
    ),
    broken(
        "no object",
        &[("a.yaml", "hello: world\n")],
        &["a.yaml:1: no Kubernetes object: it needs apiVersion, kind, metadata and spec"],
    ),
    broken(
        "no mapping",
        &[("a.yaml", "- 1\n")],
        &["a.yaml:1: no Kubernetes object: a document must be a mapping with apiVersion, kind, metadata and spec"],
    ),
    broken(
        "a key twice",
        &[("a.yaml", concat!(provider!("a"), "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\n  name: b\n"))],
        &["a.yaml:10: the key `name` occurs twice, first on line 9: keep one"],
    ),
    broken(
        "an unknown kind",
        &[("a.yaml", concat!(provider!("a"), object!("LLMProvidr", "name: b", "  type: Mock")))],
        &[
            "a.yaml:7: LLMProvidr default/b: kind: unknown kind, did you mean `LLMProvider`? outrigger.dev/v1alpha1 has Budget, LLMProvider, ModelCatalog, RoutingRule, VirtualKey",
        ],
    ),
    broken(
        "another version",
        &[("a.yaml", concat!(provider!("a"), "apiVersion: outrigger.dev/v2\nkind: VirtualKey\nmetadata: {name: a}\n"))],
        &["a.yaml:6: VirtualKey default/a: apiVersion: must be outrigger.dev/v1alpha1, the only supported version"],
    ),
    broken(
        "an unknown field spares the neighbours",
        &[(
            "a.yaml",
            concat!(provider!("a"), object!("LLMProvider", "name: b", "  type: Ollama\n  endpont: http://a/v1")),
        )],
        &["a.yaml:11: LLMProvider default/b: spec.endpont: unknown field `endpont`, did you mean `endpoint`?"],
    ),
    broken(
        "a word that kubectl takes for a boolean",
        &[(
            "a.yaml",
            concat!(
                provider!("a"),
                "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  a: On\n  b: 'on'\n  c: once\n---\n",
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {paused: no}\n"
            ),
        )],
        &[
            "a.yaml:10: warning: Secret default/s: stringData.a: without quotes, kubectl takes this word for true or false: put it in quotes, or write true or false",
        ],
    ),
    broken(
        "a weight that is text",
        &[(
            "a.yaml",
            concat!(provider!("a"), object!("VirtualKey", "name: k", "  providers:\n  - name: a\n    weight: heavy")),
        )],
        &[
            "a.yaml:12: VirtualKey default/k: spec.providers[0].weight: must be a whole number, not a string: write only digits, without quotes",
        ],
    ),
    broken(
        "twice in two files",
        &[("a.yaml", provider!("a")), ("b.yaml", concat!("# again\n", provider!("a")))],
        &["b.yaml:2: LLMProvider default/a: is already defined at a.yaml:1: keep one of the two"],
    ),
    broken(
        "no value for a credential",
        &[(
            "a.yaml",
            object!(
                "LLMProvider",
                "name: a",
                "  type: OpenAI\n  withoutKey: Allow\n  credentials:\n  - name: main\n    secretRef: {name: openai}"
            ),
        )],
        &[
            "a.yaml:9: LLMProvider default/a: spec.credentials[0].secretRef: there is no Secret default/openai here, and no variable OPENAI_API_KEY: add one of them",
        ],
    ),
    broken(
        "a Secret without that key",
        &[(
            "a.yaml",
            concat!(
                "apiVersion: v1\nkind: Secret\nmetadata: {name: openai}\nstringData: {api-key: x, other: y}\n---\n",
                object!(
                    "LLMProvider",
                    "name: a",
                    "  type: OpenAI\n  withoutKey: Allow\n  credentials:\n  - {name: main, secretRef: {name: openai}}\n  - {name: more, secretRef: {name: openai, key: token}}"
                )
            ),
        )],
        &[
            "a.yaml:13: LLMProvider default/a: spec.credentials[0].secretRef: Secret default/openai has no key `apiKey`, did you mean `api-key`?",
            "a.yaml:14: LLMProvider default/a: spec.credentials[1].secretRef: Secret default/openai has no key `token`: it has api-key, other",
        ],
    ),
    broken(
        "a Secret that is not base64, one that is empty, one that is a number",
        &[(
            "a.yaml",
            concat!(
                "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: 'sk-!'}\nstringData: {b: ' ', c: 12, d: \"x\\ny\"}\n---\n",
                object!(
                    "LLMProvider",
                    "name: a",
                    "  type: OpenAI\n  withoutKey: Allow\n  credentials:\n  - {name: a, secretRef: {name: s, key: a}}\n  - {name: b, secretRef: {name: s, key: b}}\n  - {name: c, secretRef: {name: s, key: c}}\n  - {name: d, secretRef: {name: s, key: d}}"
                )
            ),
        )],
        &[
            "a.yaml:14: LLMProvider default/a: spec.credentials[0].secretRef: Secret default/s has `a` under data, but not in base64: move it to stringData",
            "a.yaml:15: LLMProvider default/a: spec.credentials[1].secretRef: Secret default/s has nothing in `b`",
            "a.yaml:16: LLMProvider default/a: spec.credentials[2].secretRef: Secret default/s has `c` as something other than text: put it in quotes",
            "a.yaml:17: LLMProvider default/a: spec.credentials[3].secretRef: `d` of Secret default/s has characters that no header can carry: was something else pasted with the credential?",
        ],
    ),
    broken(
        "an authority that is nowhere, and one that is no certificate",
        &[(
            "a.yaml",
            concat!(
                provider!("a"),
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca}\ndata: {ca.crt: hello, cut.crt: \"-----BEGIN CERTIFICATE-----\\nYQ==\\n\"}\n---\n",
                object!(
                    "LLMProvider",
                    "name: b",
                    "  type: vLLM\n  endpoint: https://b/v1\n  tls:\n    caRef: {name: ca}"
                ),
                object!(
                    "LLMProvider",
                    "name: c",
                    "  type: vLLM\n  endpoint: https://c/v1\n  tls:\n    caRef: {name: none, kind: Secret}"
                ),
                object!(
                    "LLMProvider",
                    "name: d",
                    "  type: vLLM\n  endpoint: https://d/v1\n  tls:\n    caRef: {name: ca, key: cut.crt}"
                )
            ),
        )],
        &[
            "a.yaml:18: LLMProvider default/b: spec.tls.caRef: ConfigMap default/ca has no certificate (PEM) in `ca.crt`",
            "a.yaml:27: LLMProvider default/c: spec.tls.caRef: there is no Secret default/none here: add it",
            "a.yaml:36: LLMProvider default/d: spec.tls.caRef: ConfigMap default/ca has a certificate in `cut.crt` that is damaged: was all of it copied?",
        ],
    ),
    broken(
        "an endpoint that is no URL, and one whose port is none",
        &[(
            "a.yaml",
            concat!(
                provider!("a"),
                object!("LLMProvider", "name: b", "  type: Ollama\n  endpoint: localhost:11434"),
                object!("LLMProvider", "name: c", "  type: Ollama\n  endpoint: http://localhost:99999/v1")
            ),
        )],
        &[
            "a.yaml:11: LLMProvider default/b: spec.endpoint: must be an http:// or https:// URL without user, query and fragment, such as https://llm.example.com/v1",
            "a.yaml:18: LLMProvider default/c: spec.endpoint: the port 99999 is over 65535",
        ],
    ),
    broken(
        "names of models that overlap",
        &[(
            "a.yaml",
            object!(
                "LLMProvider",
                "name: a",
                "  type: Ollama\n  withoutKey: Allow\n  models:\n  - name: x\n    aliases: [z]\n  - name: y\n    aliases: [x, z]"
            ),
        )],
        &[
            "a.yaml:11: LLMProvider default/a: spec.models[1].aliases[0]: `x` is already the name of spec.models[0]: keep one",
            "a.yaml:11: LLMProvider default/a: spec.models[1].aliases[1]: `z` is already an alias, at spec.models[0].aliases[0]: keep one",
        ],
    ),
    broken(
        "a provider that is not there",
        &[(
            "a.yaml",
            concat!(
                provider!("openai"),
                object!("VirtualKey", "name: k", "  providers:\n  - name: openia\n  - name: other")
            ),
        )],
        &[
            "a.yaml:11: VirtualKey default/k: spec.providers[0].name: there is no LLMProvider default/openia, did you mean `openai`?",
            "a.yaml:12: VirtualKey default/k: spec.providers[1].name: there is no LLMProvider default/other: there is openai",
        ],
    ),
    broken(
        "a provider of another namespace",
        &[(
            "a.yaml",
            concat!(
                object!("LLMProvider", "name: a, namespace: platform", "  type: Ollama"),
                object!(
                    "VirtualKey",
                    "name: k",
                    "  providers:\n  - name: a\n  - name: b\n    providerRef: {name: a, namespace: platform}"
                )
            ),
        )],
        &[
            "a.yaml:12: VirtualKey default/k: spec.providers[0].name: there is no LLMProvider default/a: there is one in namespace platform, say so in providerRef.namespace",
            "a.yaml:14: VirtualKey default/k: spec.providers[1].providerRef: LLMProvider platform/a does not share itself with namespace default: set spec.allowedNamespaces there",
        ],
    ),
    broken(
        "a selector that doesn't match, and one that can't be judged",
        &[(
            "a.yaml",
            concat!(
                "apiVersion: v1\nkind: Namespace\nmetadata: {name: one, labels: {llm: denied}}\n---\n",
                object!(
                    "LLMProvider",
                    "name: a, namespace: platform",
                    "  type: Ollama\n  allowedNamespaces:\n    from: Selector\n    selector:\n      matchExpressions: [{key: llm, operator: In, values: [allowed]}]"
                ),
                object!(
                    "VirtualKey",
                    "name: k, namespace: one",
                    "  providers:\n  - name: a\n    providerRef: {name: a, namespace: platform}"
                ),
                object!(
                    "VirtualKey",
                    "name: k, namespace: two",
                    "  providers:\n  - name: a\n    providerRef: {name: a, namespace: platform}"
                )
            ),
        )],
        &[
            "a.yaml:21: VirtualKey one/k: spec.providers[0].providerRef: LLMProvider platform/a does not share itself with namespace one: the selector in its spec.allowedNamespaces does not match the labels",
            "a.yaml:29: VirtualKey two/k: spec.providers[0].providerRef: LLMProvider platform/a does not share itself with namespace two: the selector in its spec.allowedNamespaces looks at labels, and no Namespace object of that name is here: add it",
        ],
    ),
    broken(
        "a provider that is itself broken",
        &[(
            "a.yaml",
            concat!(
                object!("LLMProvider", "name: a", "  type: OpenAI"),
                object!("VirtualKey", "name: k", "  providers: [{name: a}]")
            ),
        )],
        &[
            "a.yaml:4: LLMProvider default/a: spec: this type needs an API key: list at least one in credentials",
            "a.yaml:11: warning: VirtualKey default/k: spec.providers[0].name: LLMProvider default/a can't be used until it is repaired",
        ],
    ),
    broken(
        "a credential that the provider doesn't have",
        &[(
            "a.yaml",
            concat!(
                "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {apiKey: x}\n---\n",
                object!(
                    "LLMProvider",
                    "name: a",
                    "  type: OpenAI\n  credentials: [{name: premium, secretRef: {name: s}}]"
                ),
                object!("VirtualKey", "name: k", "  providers:\n  - name: a\n    credentials:\n    - premum")
            ),
        )],
        &[
            "a.yaml:20: VirtualKey default/k: spec.providers[0].credentials[0]: LLMProvider default/a has no credential `premum`, did you mean `premium`?",
        ],
    ),
    broken(
        "a namespace without providers",
        &[(
            "a.yaml",
            concat!(provider!("a"), object!("VirtualKey", "name: k, namespace: search", "  extraFields: false")),
        )],
        &[
            "a.yaml:9: VirtualKey search/k: spec: without spec.providers a key has every LLMProvider of its namespace, and search has none: add one, or name those of other namespaces",
        ],
    ),
    broken(
        "a team that the namespace's label denies",
        &[(
            "a.yaml",
            concat!(
                "apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {outrigger.dev/team: search}}\n---\n",
                provider!("a"),
                object!("VirtualKey", "name: k", "  team: ads")
            ),
        )],
        &[
            "a.yaml:14: VirtualKey default/k: spec.team: namespace default is labelled outrigger.dev/team: search, which outranks this: remove it",
        ],
    ),
    broken(
        "a token of two keys",
        &[(
            "a.yaml",
            concat!(
                provider!("a"),
                object!(
                    "VirtualKey",
                    "name: j",
                    "  aliases: [{sha256: 0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9}]"
                ),
                object!(
                    "VirtualKey",
                    "name: k",
                    "  aliases:\n  - sha256: 0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9"
                )
            ),
        )],
        &[
            "a.yaml:17: VirtualKey default/k: spec.aliases[0].sha256: the same token belongs to VirtualKey default/j at a.yaml:6: a token can belong to one key only",
        ],
    ),
    broken(
        "weights that are all zero",
        &[(
            "a.yaml",
            concat!(
                provider!("a"),
                provider!("b"),
                object!("VirtualKey", "name: k", "  providers: [{name: a, weight: 0}, {name: b, weight: 0}]"),
                object!("RoutingRule", "name: r", "  targets: [{provider: a, weight: 0}, {provider: b, weight: 0}]")
            ),
        )],
        &[
            "a.yaml:15: warning: VirtualKey default/k: spec.providers: every weight is 0, so none is chosen: providers are tried in the order of the list",
            "a.yaml:21: warning: RoutingRule default/r: spec.targets: every weight is 0, so none is chosen: targets are tried in the order of the list",
        ],
    ),
    broken(
        "a condition that doesn't compile",
        &[(
            "a.yaml",
            concat!(provider!("a"), object!("RoutingRule", "name: r", "  when: model ==\n  targets: [{provider: a}]")),
        )],
        &["a.yaml:10: RoutingRule default/r: spec.when: is not CEL: at column 9, it ends too early"],
    ),
    broken(
        "a condition on a variable that isn't known",
        &[(
            "a.yaml",
            concat!(
                provider!("a"),
                object!("RoutingRule", "name: r", "  when: header[\"x\"] == \"y\"\n  targets: [{provider: a}]")
            ),
        )],
        &["a.yaml:10: RoutingRule default/r: spec.when: `header` is not a variable of rules, did you mean `headers`?"],
    ),
    broken(
        "a condition that fails on one type of request",
        &[(
            "a.yaml",
            concat!(
                provider!("a"),
                object!(
                    "RoutingRule",
                    "name: r",
                    "  when: request_type == \"embedding\" && model\n  targets: [{provider: a}]"
                )
            ),
        )],
        &[
            "a.yaml:10: RoutingRule default/r: spec.when: on a request of type embedding, fails: a string is used where true or false is needed",
        ],
    ),
    broken(
        "a rule of keys that are not there",
        &[(
            "a.yaml",
            concat!(
                provider!("a"),
                object!("VirtualKey", "name: search", "  team: x"),
                object!("RoutingRule", "name: r", "  scope:\n    virtualKeys: [serach]\n  targets: [{provider: a}]"),
                object!("RoutingRule", "name: s", "  scope: {team: y}\n  targets: [{provider: a}]"),
                object!("RoutingRule", "name: t", "  scope: {customer: z}\n  targets: [{provider: a}]")
            ),
        )],
        &[
            "a.yaml:17: RoutingRule default/r: spec.scope.virtualKeys[0]: there is no VirtualKey default/serach, did you mean `search`?",
            "a.yaml:24: warning: RoutingRule default/s: spec.scope.team: no key of team y is in namespace default, so the rule applies to no key",
            "a.yaml:31: warning: RoutingRule default/t: spec.scope.customer: no key of customer z is in namespace default, so the rule applies to no key",
        ],
    ),
    broken(
        "targets and fallbacks that no key may use",
        &[(
            "a.yaml",
            concat!(
                provider!("openai"),
                object!("LLMProvider", "name: local", "  type: Ollama\n  exclusive: true\n  models: [{name: llama}]"),
                object!(
                    "VirtualKey",
                    "name: k",
                    "  providers:\n  - name: openai\n    models: ['gpt-4o*']\n  - name: local\n  models: {deny: ['*-preview']}"
                ),
                object!(
                    "RoutingRule",
                    "name: r",
                    "  targets:\n  - provider: opnai\n  - {provider: openai, model: claude}\n  - {provider: openai, model: gpt-4o-preview}\n  - {provider: local, model: mistral}\n  - {provider: openai, credential: main}\n  - {provider: local, model: llama}\n  fallbacks:\n  - nobody/gpt-4o\n  - openai/gpt-4o\n  - local/mistral\n  - llama\n  - gpt-5"
                )
            ),
        )],
        &[
            "a.yaml:29: RoutingRule default/r: spec.targets[0].provider: VirtualKey default/k has no provider `opnai`, did you mean `openai`?",
            "a.yaml:30: RoutingRule default/r: spec.targets[1].model: no key in the rule's scope may use `claude` there: VirtualKey default/k does not list it in the models of provider `openai`",
            "a.yaml:31: RoutingRule default/r: spec.targets[2].model: no key in the rule's scope may use `gpt-4o-preview` there: VirtualKey default/k denies it in spec.models.deny",
            "a.yaml:32: RoutingRule default/r: spec.targets[3].model: no key in the rule's scope may use `mistral` there: LLMProvider default/local is exclusive and does not list it",
            "a.yaml:33: RoutingRule default/r: spec.targets[4].credential: of provider `openai`, no key in the rule's scope may use a credential `main`: there is none at all",
            "a.yaml:36: RoutingRule default/r: spec.fallbacks[0]: VirtualKey default/k has no provider `nobody`: there is local, openai",
            "a.yaml:38: RoutingRule default/r: spec.fallbacks[2]: no key in the rule's scope may use `mistral` there: LLMProvider default/local is exclusive and does not list it",
            "a.yaml:40: RoutingRule default/r: spec.fallbacks[4]: VirtualKey default/k has no provider `gpt-5`: there is local, openai",
        ],
    ),
    Broken {
        name: "a key on the command line that isn't there",
        files: &[("a.yaml", concat!(provider!("a"), object!("VirtualKey", "name: search", "  team: x")))],
        keys: &["serach", "search"],
        environment: &[],
        expected: &["--key: there is no VirtualKey `serach`, did you mean `search`?"],
    },
    Broken {
        name: "a key on the command line that is in two namespaces",
        files: &[(
            "a.yaml",
            concat!(
                provider!("a"),
                object!("VirtualKey", "name: k", "  team: x"),
                object!(
                    "VirtualKey",
                    "name: k, namespace: b",
                    "  providers: [{name: a, providerRef: {name: a, namespace: b}}]"
                ),
                object!("LLMProvider", "name: a, namespace: b", "  type: Ollama")
            ),
        )],
        keys: &["k"],
        environment: &[],
        expected: &["--key: `k` could be any of b/k, default/k: say which"],
    },
    broken(
        "no caller may call",
        &[("a.yaml", object!("LLMProvider", "name: a", "  type: Ollama"))],
        &[
            "a.yaml:4: warning: LLMProvider default/a: spec.withoutKey: there is no VirtualKey here, and no LLMProvider says withoutKey: Allow, so nobody may call: say so here, or add a VirtualKey",
        ],
    ),
    Broken {
        name: "a variable that no header can carry",
        files: &[(
            "a.yaml",
            object!(
                "LLMProvider",
                "name: a",
                "  type: OpenAI\n  withoutKey: Allow\n  credentials: [{name: main, secretRef: {name: openai}}]"
            ),
        )],
        keys: &[],
        environment: &[("OPENAI_API_KEY", "sk-\u{e4}")],
        expected: &[
            "a.yaml:7: LLMProvider default/a: spec.credentials[0].secretRef: the variable OPENAI_API_KEY has characters that no header can carry: was something else pasted with the credential?",
        ],
    },
];

pub const VALID: &[(&str, &str)] = &[
    (
        "governance",
        r#"
apiVersion: outrigger.dev/v1alpha1
kind: LLMProvider
metadata: {name: a}
spec:
  type: Mock
  mock: {}
  models:
  - name: large
    price: {inputPerMillion: "2.50", outputPerMillion: "10.00"}
  - name: small
    price: {inputPerMillion: "0.15", outputPerMillion: "0.60"}
  limits:
    tokens: [{name: day, max: 1000000, window: Day}]
---
apiVersion: outrigger.dev/v1alpha1
kind: VirtualKey
metadata: {name: k}
spec:
  providers:
  - name: a
    limits:
      requests: [{name: hour, max: 100, rolling: 1h}]
  budgetRefs:
  - {name: team}
---
apiVersion: outrigger.dev/v1alpha1
kind: Budget
metadata: {name: team}
spec:
  amount: "500.00"
  window: Month
  timeZone: Europe/Paris
  parentRef: {name: company}
  thresholds:
  - {percent: 95, action: Downgrade, model: small}
---
apiVersion: outrigger.dev/v1alpha1
kind: Budget
metadata: {name: company}
spec:
  amount: "5000.00"
  window: Month
  appliesTo:
    providers: [a]
---
apiVersion: outrigger.dev/v1alpha1
kind: RoutingRule
metadata: {name: r}
spec:
  when: model == "fast"
  targets: [{provider: a, model: small}]
  tests:
  - name: fast is small
    given: {spent: {team: 95%}}
    request: {model: fast}
    expect: {provider: a, model: small}
---
apiVersion: outrigger.dev/v1alpha1
kind: ModelCatalog
metadata: {name: c}
spec:
  models: [{name: other, price: {perImage: "0.04"}}]
"#,
    ),
    ("nothing", "\n# only a comment\n---\n"),
    (
        "one of each, and what is none of ours",
        r#"
apiVersion: v1
kind: Namespace
metadata: {name: platform, labels: {kind: platform}}
---
apiVersion: v1
kind: Secret
metadata: {name: openai, namespace: platform}
data: {apiKey: c2stZHVtbXk=}
---
apiVersion: outrigger.dev/v1alpha1
kind: LLMProvider
metadata: {name: openai, namespace: platform}
spec:
  type: OpenAI
  credentials: [{name: main, secretRef: {name: openai}}]
  allowedNamespaces:
    from: Selector
    selector:
      matchLabels: {kubernetes.io/metadata.name: default}
      matchExpressions: [{key: kind, operator: NotIn, values: [sandbox]}, {key: frozen, operator: DoesNotExist}]
---
apiVersion: outrigger.dev/v1alpha1
kind: VirtualKey
metadata: {name: search}
spec:
  providers: [{name: main, providerRef: {name: openai, namespace: platform}, credentials: [main]}]
  team: search
---
apiVersion: outrigger.dev/v1alpha1
kind: RoutingRule
metadata: {name: premium}
spec:
  scope: {team: search}
  when: headers["x-tier"] == "premium"
  targets: [{provider: main, model: gpt-4o, credential: main}]
  fallbacks: [main, main/gpt-4o-mini, gpt-4o-mini]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec: {replicas: 1}
"#,
    ),
    (
        "a list",
        r#"
apiVersion: v1
kind: List
items:
- apiVersion: outrigger.dev/v1alpha1
  kind: LLMProvider
  metadata: {name: a}
  spec: {type: Mock, mock: {}, withoutKey: Allow}
"#,
    ),
];
