//! Findings as JUnit XML, as CI systems read it: a test case for each object and for each test of a rule, a failure for
//! each with errors.

use std::fmt::Write;

use outrigger_compile::{Finding, Object, Place, Severity};
use outrigger_policy::{Printable, is_printable};

use crate::check::Judged;

/// The report as a text.
pub(crate) fn report(objects: &[Object], judged: &Judged) -> String {
    let Judged { findings, tests } = judged;
    let mut cases = String::new();
    let mut failed = 0;
    // What a failed test says is told with the test, not with its rule.
    let of_test = |finding: &Finding| tests.iter().any(|test| test.failure.as_ref() == Some(finding));
    let mut told: Vec<bool> = findings.iter().map(of_test).collect();
    let mut case = |class: &str, name: &str, place: &Place, time: &str, theirs: &[&Finding]| {
        let head = format!(
            r#"  <testcase classname="{}" name="{}" file="{}" line="{}"{time}"#,
            escape(class),
            escape(name),
            escape(&place.file),
            place.line
        );
        let errors: Vec<_> = theirs.iter().filter(|finding| finding.severity == Severity::Error).collect();
        let lines = |all: &mut dyn Iterator<Item = &&Finding>| {
            escape(&all.map(|f| f.to_string()).collect::<Vec<_>>().join("\n"))
        };
        let warnings = lines(&mut theirs.iter().filter(|finding| finding.severity == Severity::Warning));
        let _ = match (errors.first(), warnings.is_empty()) {
            (None, true) => writeln!(cases, "{head}/>"),
            (None, false) => writeln!(cases, "{head}>\n    <system-out>{warnings}</system-out>\n  </testcase>"),
            (Some(first), _) => {
                failed += 1;
                let message = escape(&first.message);
                let all = lines(&mut theirs.iter());
                writeln!(
                    cases,
                    "{head}>\n    <failure message=\"{message}\" type=\"error\">{all}</failure>\n  </testcase>"
                )
            }
        };
    };
    for object in objects {
        let label = object.label();
        let mut theirs = Vec::new();
        for (finding, told) in findings.iter().zip(&mut told) {
            let within = finding.object == label && finding.place.file == object.place.file;
            // Of an object that stands twice in one file, each has what is told from its own first line on.
            if !*told && within && finding.place.line >= object.place.line && is_nearest(objects, object, finding) {
                *told = true;
                theirs.push(finding);
            }
        }
        case(&object.place.file, &label, &object.place, "", &theirs);
    }
    for test in tests {
        let time = format!(r#" time="{:.6}""#, test.took.as_secs_f64());
        let failure: Vec<_> = test.failure.iter().collect();
        case(&test.trial.object, &test.trial.trial.name, &test.trial.place, &time, &failure);
    }
    let of_no_object: Vec<&Finding> = findings.iter().zip(&told).filter(|(_, told)| !**told).map(|(f, _)| f).collect();
    let others = of_no_object.len();
    for finding in of_no_object {
        let name = if finding.object.is_empty() { "readable" } else { &finding.object };
        case(&finding.place.file, name, &finding.place, "", &[finding]);
    }
    let all = objects.len() + tests.len() + others;
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"outrigger check\" tests=\"{all}\" \
         failures=\"{failed}\" errors=\"0\" skipped=\"0\">\n{cases}</testsuite>\n</testsuites>\n"
    )
}

/// Whether no other object of the same name begins between this one and the finding.
fn is_nearest(objects: &[Object], object: &Object, finding: &Finding) -> bool {
    !objects.iter().any(|other| {
        other.place.file == object.place.file
            && other.place.line > object.place.line
            && other.place.line <= finding.place.line
            && other.label() == object.label()
    })
}

/// Text for an element or an attribute; what XML 1.0 can't hold at all becomes U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            '\r' => escaped.push_str("&#13;"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other if is_printable(other) => escaped.push(other),
            other => escaped.push_str(&Printable(other).to_string()),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use outrigger_compile::read;

    use super::*;
    use crate::check::judge;

    #[test]
    fn a_case_for_each_object() {
        let text = "apiVersion: outrigger.dev/v1alpha1\nkind: LLMProvider\nmetadata: {name: a}\nspec: {type: Mock}\n---\n\
                    apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n---\n\"a<b\": [\n";
        let source = read("x&y.yaml", text);
        let judged = judge(&source, &|_| None);
        assert_eq!(
            report(&source.objects, &judged),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n\
             <testsuite name=\"outrigger check\" tests=\"3\" failures=\"2\" errors=\"0\" skipped=\"0\">\n\
             \x20 <testcase classname=\"x&amp;y.yaml\" name=\"LLMProvider default/a\" file=\"x&amp;y.yaml\" line=\"1\">\n\
             \x20   <failure message=\"type Mock needs mock, which says how it answers; mock: {} will do\" type=\"error\">\
             x&amp;y.yaml:4: LLMProvider default/a: spec: type Mock needs mock, which says how it answers; mock: {} will do\
             </failure>\n  </testcase>\n\
             \x20 <testcase classname=\"x&amp;y.yaml\" name=\"Secret default/s\" file=\"x&amp;y.yaml\" line=\"6\"/>\n\
             \x20 <testcase classname=\"x&amp;y.yaml\" name=\"readable\" file=\"x&amp;y.yaml\" line=\"11\">\n\
             \x20   <failure message=\"not YAML: while parsing a node, did not find expected node content (column 1)\" type=\"error\">\
             x&amp;y.yaml:11: not YAML: while parsing a node, did not find expected node content (column 1)</failure>\n  </testcase>\n\
             </testsuite>\n</testsuites>\n"
        );
    }

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        assert_eq!(escape("a\u{1}<\"'&>\n"), "a\u{fffd}&lt;&quot;&apos;&amp;&gt;&#10;");
        assert_eq!(escape("\u{9b}\u{202e}\u{7f}"), "\\u{9b}\\u{202e}\\u{7f}");
    }
}
