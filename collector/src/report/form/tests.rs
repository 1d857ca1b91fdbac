//! Forms that other programs read, read back by parsers of their own, with payloads that try to get
//! out of them.

use pulldown_cmark::{Event, Options, Parser, Tag};

use super::*;
use crate::report::gate::{Gate, State};
use crate::report::tests::report;

/// Texts that mean something in one form or another.
const HOSTILE: &[&str] = &[
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)>",
    "]]><!--",
    "&lt;b&gt; {{ report }} {% x %}",
    "a | b `c` ``d`` \\",
    "[link](http://evil.test) ![](http://evil.test/x.png) www.evil.test @octocat #1",
    "</details>\n\n# heading\n\n<b>",
    "\u{0}\u{1b}[31m\u{202e}\u{fffe}\r\n",
    "`",
    "",
];

/// A report in which every text from the wire is hostile.
fn hostile() -> crate::report::Report {
    let mut report = report();
    let group = report.differences[0].clone();
    report.differences.clear();
    for text in HOSTILE {
        let mut hostile = group.clone();
        hostile.rpc_method = format!("{text}/{text}");
        hostile.path = (*text).to_owned();
        hostile.example.path = (*text).to_owned();
        hostile.example.correlation_key = (*text).to_owned();
        hostile.example.primary = Some((*text).to_owned());
        hostile.example.candidate = None;
        report.differences.push(hostile);
        let mut method = report.methods[0].clone();
        method.rpc_method = format!("{text}/{text}");
        method.status_shifts = [(format!("OK → {text}"), 1)].into();
        report.methods.push(method);
        report.gates.push(Gate {
            condition: format!("mismatched[{text}] > 1"),
            rpc_method: Some((*text).to_owned()),
            value: Some(2.0),
            state: State::Failed,
            ..report.gates[0].clone()
        });
    }
    report
        .methods
        .sort_by(|a, b| a.rpc_method.cmp(&b.rpc_method));
    report
}

fn render(form: Form, report: &crate::report::Report) -> String {
    form.render(report, text::Style::default()).unwrap()
}

#[test]
fn junit_is_what_its_schema_allows() {
    for report in [report(), hostile()] {
        let xml = render(Form::Junit, &report);
        let document = roxmltree::Document::parse(&xml).unwrap();
        // Elements and attributes of the schema that Jenkins and most readers go by.
        let allowed: &[(&str, &[&str])] = &[
            (
                "testsuites",
                &["name", "tests", "failures", "errors", "skipped"],
            ),
            (
                "testsuite",
                &["name", "tests", "disabled", "errors", "failures", "skipped"],
            ),
            ("testcase", &["name", "classname"]),
            ("failure", &["type", "message"]),
            ("error", &["type", "message"]),
            ("skipped", &["type", "message"]),
        ];
        for node in document.descendants().filter(|node| node.is_element()) {
            let name = node.tag_name().name();
            let (_, attributes) = allowed.iter().find(|(known, _)| *known == name).unwrap();
            for attribute in node.attributes() {
                assert!(
                    attributes.contains(&attribute.name()),
                    "{name} {attribute:?}"
                );
            }
        }
        for suite in document
            .descendants()
            .filter(|node| node.has_tag_name("testsuite"))
        {
            let cases = suite
                .children()
                .filter(|node| node.has_tag_name("testcase"))
                .count();
            assert_eq!(suite.attribute("tests"), Some(cases.to_string().as_str()));
            assert_ne!(suite.attribute("name"), Some(""));
        }
        let cases = document
            .descendants()
            .filter(|node| node.has_tag_name("testcase"));
        assert_eq!(cases.count(), report.methods.len() + report.gates.len() + 1);
    }
}

#[test]
fn a_mismatched_method_is_a_failure_with_its_differences() {
    let xml = render(Form::Junit, &report());
    let document = roxmltree::Document::parse(&xml).unwrap();
    let case = |name: &str| {
        let mut nodes = document.descendants();
        nodes
            .find(|node| node.attribute("name") == Some(name))
            .unwrap()
    };
    let failure = case("GetItem").first_element_child().unwrap();
    assert!(
        failure
            .attribute("message")
            .unwrap()
            .starts_with("10 of 41 judged pairs differ")
    );
    assert!(
        failure
            .text()
            .unwrap()
            .contains("- \"Berlin\"\n  + \"BERLIN\"")
    );
    let mut nobody_judged = report();
    nobody_judged.methods[0].mismatch_rate = None;
    assert!(render(Form::Junit, &nobody_judged).contains("<skipped"));
    let mut tolerant = report();
    tolerant.answer.fail_over = 0.5;
    assert!(!render(Form::Junit, &tolerant).contains("10 of 41"));
}

#[test]
fn markdown_has_no_markup_of_others() {
    let summary = render(Form::Markdown, &hostile());
    let (mut tables, mut cells, mut html) = (0, 0, Vec::new());
    for event in Parser::new_ext(
        &summary,
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH,
    ) {
        match event {
            Event::Html(tag) | Event::InlineHtml(tag) => html.push(tag.trim().to_owned()),
            Event::Start(Tag::Link { .. } | Tag::Image { .. }) => panic!("a link: {summary}"),
            Event::Start(Tag::Heading { .. }) if tables > 0 => panic!("a heading: {summary}"),
            Event::Start(Tag::Table(columns)) => {
                tables += 1;
                cells = columns.len();
            }
            Event::Start(Tag::TableRow) => assert!([3, 6, 7].contains(&cells)),
            Event::Text(text) => {
                // Outside code, GitHub makes links and mentions of these.
                for bait in ["http://", "www.", "@octocat"] {
                    assert!(!text.contains(bait), "{text}");
                }
            }
            _ => {}
        }
    }
    assert_eq!(tables, 3, "{summary}");
    let ours = ["<details><summary>What differs</summary>", "</details>"];
    assert_eq!(html, ours, "{summary}");
}

#[test]
fn what_cannot_be_relied_on_has_no_tick() {
    let mut report = report();
    let answer = &mut report.answer;
    (answer.is_different, answer.mismatched, answer.exit_code) = (false, 0, 0);
    answer.judged = 10;
    let is_warned = |report: &_| render(Form::Html, report).contains("class=\"answer warn\"");
    assert!(render(Form::Markdown, &report).starts_with("### ✅"));
    assert!(!is_warned(&report));
    report.answer.exit_code = 4;
    assert!(render(Form::Markdown, &report).starts_with("### ⚠️"));
    assert!(is_warned(&report));
}

#[test]
fn sarif_has_what_its_schema_requires() {
    for report in [report(), hostile()] {
        let log: serde_json::Value = serde_json::from_str(&render(Form::Sarif, &report)).unwrap();
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        assert!(run["tool"]["driver"]["name"].is_string());
        assert!(run["invocations"][0]["executionSuccessful"].is_boolean());
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        let rules: Vec<&str> = rules
            .iter()
            .map(|rule| rule["id"].as_str().unwrap())
            .collect();
        let results = run["results"].as_array().unwrap();
        assert!(results.len() >= report.differences.len());
        for result in results {
            assert!(!result["message"]["text"].as_str().unwrap().is_empty());
            assert!(rules.contains(&result["ruleId"].as_str().unwrap()));
            assert!(
                ["none", "note", "warning", "error"].contains(&result["level"].as_str().unwrap())
            );
            // Section 3.27.9: only what fails has a level.
            assert!(
                result["kind"] == "fail" || result["level"] == "none",
                "{result}"
            );
            assert!(
                result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"].is_string()
            );
            assert!(
                result["occurrenceCount"].is_null()
                    || result["occurrenceCount"].as_u64() >= Some(1)
            );
        }
    }
}

#[test]
fn the_page_holds_one_script_and_no_markup_of_others() {
    let page = render(Form::Html, &hostile()).to_lowercase();
    assert_eq!(page.matches("<script").count(), 1);
    assert_eq!(page.matches("</script").count(), 1);
    for markup in [
        "<img",
        "<svg onload",
        "<b>",
        "<!--",
        "<iframe",
        "<link",
        " style=",
        "@import",
        "url(",
    ] {
        assert!(!page.contains(markup), "{markup}");
    }
    let head = page.split("</head>").next().unwrap();
    assert!(head.contains("default-src &#39;none&#39;"), "{head}");
    assert!(
        page.chars()
            .all(|c| c == '\n' || !c.is_control() && c != '\u{202e}')
    );
}

#[test]
fn a_report_without_anything_takes_every_form() {
    let aggregate = crate::report::Aggregate::default();
    let thresholds = crate::report::Thresholds::default();
    let report = aggregate.into_report(
        String::new(),
        crate::report::Scope::default(),
        None,
        thresholds,
        |_| false,
    );
    for form in Form::ALL {
        assert!(!render(form, &report).is_empty());
    }
    roxmltree::Document::parse(&render(Form::Junit, &report)).unwrap();
}
