//! Writes findings as JUnit XML for CI systems: a test case for each object and for each test of a rule, with a failure
//! if there are errors.

use std::time::Duration;

use outrigger_compile::{Finding, Object, Severity, SourceLocation};
use outrigger_policy::Printable;
use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use crate::check::CheckOutcome;

const NAME: &str = "outrigger check";

/// The report as text.
///
/// # Errors
/// The report can't be written as XML.
pub(crate) fn report(objects: &[Object], outcome: &CheckOutcome) -> Result<String, SerializeError> {
    let CheckOutcome { findings, tests } = outcome;
    let mut suite = TestSuite::new(NAME);
    // A failed test's finding is reported with the test, and not with its rule.
    let of_test = |finding: &Finding| tests.iter().any(|test| test.failure.as_ref() == Some(finding));
    let mut reported: Vec<bool> = findings.iter().map(of_test).collect();
    for object in objects {
        let label = object.label();
        let mut theirs = Vec::new();
        for (finding, reported) in findings.iter().zip(&mut reported) {
            let within = finding.object == label && finding.location.file == object.location.file;
            // If an object occurs twice in a file, each gets the findings from its own first line on.
            if !*reported
                && within
                && finding.location.line >= object.location.line
                && is_nearest(objects, object, finding)
            {
                *reported = true;
                theirs.push(finding);
            }
        }
        suite.add_test_case(case(&object.location.file, &label, &object.location, None, &theirs));
    }
    for test in tests {
        let failure: Vec<_> = test.failure.iter().collect();
        let trial = &test.trial;
        suite.add_test_case(case(&trial.object, &trial.trial.name, &trial.location, Some(test.took), &failure));
    }
    let of_no_object = findings.iter().zip(&reported).filter(|(_, reported)| !**reported);
    for (finding, _) in of_no_object {
        let name = if finding.object.is_empty() { "readable" } else { &finding.object };
        suite.add_test_case(case(&finding.location.file, name, &finding.location, None, &[finding]));
    }
    let mut report = Report::new(NAME);
    report.add_test_suite(suite);
    report.to_string()
}

/// A test case: it fails if there is an error among the findings, and prints the warnings otherwise.
fn case(class: &str, name: &str, location: &SourceLocation, took: Option<Duration>, findings: &[&Finding]) -> TestCase {
    let error = findings.iter().find(|finding| finding.severity == Severity::Error);
    let lines = findings.iter().map(|finding| shown(&finding.to_string())).collect::<Vec<_>>().join("\n");
    let mut status = TestCaseStatus::success();
    if let Some(error) = error {
        status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_message(shown(&error.message)).set_type("error").set_description(lines.as_str());
    }
    let mut case = TestCase::new(shown(name), status);
    case.set_classname(shown(class));
    case.extra.insert("file".into(), shown(&location.file).into());
    case.extra.insert("line".into(), location.line.to_string().into());
    if let Some(took) = took {
        case.set_time(took);
    }
    if error.is_none() && !lines.is_empty() {
        case.set_system_out(lines);
    }
    case
}

/// Text from files and objects, on one line and without terminal control characters.
fn shown(text: &str) -> String {
    Printable(text).to_string()
}

/// Whether no other object of the same name begins between this one and the finding.
fn is_nearest(objects: &[Object], object: &Object, finding: &Finding) -> bool {
    !objects.iter().any(|other| {
        other.location.file == object.location.file
            && other.location.line > object.location.line
            && other.location.line <= finding.location.line
            && other.label() == object.label()
    })
}

#[cfg(test)]
mod tests {
    use outrigger_compile::read;

    use super::*;
    use crate::check::check;

    #[test]
    fn a_case_for_each_object() {
        let text = "apiVersion: outrigger.dev/v1alpha1\nkind: LLMProvider\nmetadata: {name: a}\nspec: {type: Mock}\n---\n\
                    apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n---\n\"a<b\": [\n";
        let source = read("x&y.yaml", text);
        let outcome = check(&source, &|_| None);
        assert_eq!(
            report(&source.objects, &outcome).unwrap(),
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="outrigger check" tests="3" skipped="0" failures="2" errors="0">
    <testsuite name="outrigger check" tests="3" skipped="0" errors="0" failures="2">
        <testcase name="LLMProvider default/a" classname="x&amp;y.yaml" file="x&amp;y.yaml" line="1">
            <failure message="type Mock needs the field mock: set it, at least to {}" type="error">x&amp;y.yaml:4: LLMProvider default/a: spec: type Mock needs the field mock: set it, at least to {}</failure>
        </testcase>
        <testcase name="Secret default/s" classname="x&amp;y.yaml" file="x&amp;y.yaml" line="6"/>
        <testcase name="readable" classname="x&amp;y.yaml" file="x&amp;y.yaml" line="11">
            <failure message="not YAML: while parsing a node, did not find expected node content (column 1)" type="error">x&amp;y.yaml:11: not YAML: while parsing a node, did not find expected node content (column 1)</failure>
        </testcase>
    </testsuite>
</testsuites>
"#
        );
    }

    #[test]
    fn what_xml_cannot_hold_is_escaped() {
        let location = SourceLocation { file: "a".to_owned(), line: 1 };
        let case = case("\u{1}", "<\"'&>\u{9b}\u{202e}\u{7f}", &location, None, &[]);
        assert_eq!(case.name.as_str(), "<\"'&>\\u{9b}\\u{202e}\\u{7f}");
        assert_eq!(case.classname.as_ref().map(|name| name.as_str()), Some("\\u{1}"));
    }
}
