//! The report in a browser: it asks for nothing, its charts have marks and words that can be read,
//! its numbers are the card's.

use serde_json::Value;

use crate::project::Project;
use crate::webdriver::Browser;

/// Everything that is drawn, of the demo.
const CHARTS: [&str; 19] = [
    "rows-by-month",
    "rate-by-month",
    "roc",
    "precision-recall",
    "gains",
    "lift",
    "reliability",
    "scores",
    "contacts",
    "value",
    "cutoff-conversions",
    "cutoff-auc",
    "odds-ratios",
    "penalty",
    "coefficient-path",
    "correlations",
    "account-2",
    "pqls-against-others",
    "funnel-cohorts",
];

/// For each chart: its name, how many marks it has, whether it has words for those who do not see
/// it, and texts that are cut off or lie on one another.
const LOOK: &str = "
return [...document.querySelectorAll('svg.chart')].map(svg => {
  const box = svg.getBoundingClientRect();
  const words = [...svg.querySelectorAll(':scope > text')].filter(t => t.textContent).map(t => [t.textContent, t.getBoundingClientRect()]);
  const cut = words.filter(([, b]) => b.left < box.left - 1 || b.right > box.right + 1 || b.top < box.top - 1 || b.bottom > box.bottom + 1);
  const over = words.flatMap(([a, b], i) => words.slice(0, i).filter(([, o]) =>
    b.left < o.right - 1 && o.left < b.right - 1 && b.top < o.bottom - 4 && o.top < b.bottom - 4).map(([o]) => a + ' on ' + o));
  return {
    id: svg.id,
    marks: [...svg.querySelectorAll('.dot, .bar, .line, .stroke')].filter(m => m.getBBox().width + m.getBBox().height > 0).length,
    told: svg.getAttribute('role') === 'img' && ['labelledby', 'describedby'].every(by => document.getElementById(svg.getAttribute('aria-' + by)).textContent.length > 3),
    table: svg.closest('figure').querySelectorAll('table tbody tr').length,
    size: Math.min(...words.map(([, b]) => b.height)),
    trouble: cut.map(([t]) => t + ' is cut').concat(over),
  };
});";

fn demo(args: &[&str]) -> Project {
    let project = Project::new();
    let config = crate::common::root().join("data/demo/pql.toml");
    let set = "qualify.value={ deal = 12000, touch = 1500 }";
    let base = [
        "train",
        "-c",
        config.to_str().unwrap(),
        "--name",
        "demo",
        "--set",
        set,
        "--report",
        "page.html",
    ];
    project.pql(&[&base[..], args].concat()).done();
    project
}

fn address(project: &Project, page: &str) -> String {
    format!("file://{}", project.path(page).display())
}

#[test]
#[ignore = "needs chromedriver"]
fn a_report_is_drawn_without_asking_for_anything_and_shows_the_numbers_of_the_card() {
    let browser = Browser::start();
    let project = demo(&[]);
    let page = address(&project, "page.html");
    for (width, scheme) in [(1280, "light"), (360, "dark")] {
        browser.screen(width, scheme);
        browser.visit(&page);
        let (said, asked) = browser.log();
        assert!(said.is_empty(), "{said:?}");
        assert!(asked.contains(&page), "the page itself is asked for: {asked:?}");
        assert!(asked.iter().all(|url| *url == page || url.starts_with("data:")), "{asked:?}");
        charts(&browser, width);
        let back = browser.script("return getComputedStyle(document.body).backgroundColor");
        assert_eq!(back == "rgb(245, 246, 248)", scheme == "light", "{back}");
    }
    let card: Value = serde_json::from_slice(&project.read("models/demo/0001/model.json")).unwrap();
    numbers(&browser, &card["evaluation"]);
}

/// Check each chart, and that nothing is wider than the screen.
fn charts(browser: &Browser, width: u32) {
    let found = sound_charts(browser, width);
    for id in CHARTS {
        assert!(found.iter().any(|drawn| drawn == id), "`{id}` is not drawn");
    }
    assert_eq!(found.iter().filter(|id| id.starts_with("effect-")).count(), 8);
}

/// Check that each chart has marks, words and a table, and nothing that is cut off, and answer what
/// they are called.
fn sound_charts(browser: &Browser, width: u32) -> Vec<String> {
    let found = browser.script(LOOK);
    let found = found.as_array().unwrap();
    for chart in found {
        assert!(
            chart["marks"].as_u64().unwrap() >= 3
                && chart["told"] == true
                && chart["table"].as_u64().unwrap() > 0,
            "{chart}"
        );
        assert!(chart["trouble"].as_array().unwrap().is_empty(), "at {width} pixels: {chart}");
        assert!(
            chart["size"].as_f64().unwrap() >= 10.9,
            "lines of text are at least so high at {width} pixels: {chart}"
        );
    }
    assert_eq!(
        browser.script("return document.documentElement.scrollWidth").as_u64(),
        Some(u64::from(width))
    );
    assert_eq!(browser.script("return document.scripts.length").as_u64(), Some(0));
    found.iter().map(|chart| chart["id"].as_str().unwrap().to_owned()).collect()
}

/// Visit a page in two sizes and schemes, and check that it asks for nothing and draws these charts
/// soundly.
fn sound_page(browser: &Browser, page: &str, drawn: &[&str]) {
    for (width, scheme) in [(1280, "light"), (360, "dark")] {
        browser.screen(width, scheme);
        browser.visit(page);
        let (said, asked) = browser.log();
        assert!(said.is_empty(), "{said:?}");
        assert!(asked.iter().all(|url| *url == page || url.starts_with("data:")), "{asked:?}");
        assert_eq!(sound_charts(browser, width), drawn);
    }
}

#[test]
#[ignore = "needs chromedriver"]
fn a_comparison_is_drawn_without_asking_for_anything() {
    let browser = Browser::start();
    let project = crate::compare::rivals();
    let answer = project.pql(&["compare", "t/0002", "--json", "--report", "page.html"]).done().out;
    let charts =
        ["roc", "gains", "reliability", "cutoff-differences", "cutoff-auc", "importance", "scores"];
    sound_page(&browser, &address(&project, "page.html"), &charts);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let rows = browser.script("return [...document.querySelectorAll('#performance > .pair table:first-of-type tr')].map(r => [...r.cells].map(c => c.textContent))");
    let row = rows.as_array().unwrap().iter().find(|row| row[0] == "ROC AUC").unwrap();
    for (cell, pointer) in [(1, "/challenger/roc_auc/value"), (2, "/champion/roc_auc/value")] {
        assert_eq!(
            row[cell].as_str().unwrap(),
            format!("{:.4}", answer.pointer(pointer).unwrap().as_f64().unwrap())
        );
    }
}

#[test]
#[ignore = "needs chromedriver"]
fn a_batch_is_drawn_without_asking_for_anything() {
    let browser = Browser::start();
    let project = crate::monitor::log();
    for day in ["2025-08-01", "2025-08-08"] {
        project.pql(&["score", "--model", "t", "--at", day, "--ledger", "ledger"]).done();
    }
    let answer =
        project.pql(&["monitor", "t", "--ledger", "ledger", "--json", "--report", "page.html"]).out;
    let charts = ["scores-spread", "indices", "feature-0", "feature-1", "reliability", "runs"];
    sound_page(&browser, &address(&project, "page.html"), &charts);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let shown = browser
        .script("return document.getElementById('reach_now').value")
        .as_str()
        .unwrap()
        .parse::<f64>()
        .unwrap();
    assert_eq!(shown, answer["scores"]["reach_now"].as_f64().unwrap());
}

/// Check the numbers of the head and of the table of metrics.
fn numbers(browser: &Browser, evaluation: &Value) {
    let shown = |id: &str| {
        browser.script(&format!(
            "const d = document.getElementById('{id}'); return [d.value, d.textContent]"
        ))
    };
    let metric = |pointer: &str| evaluation.pointer(pointer).and_then(Value::as_f64).unwrap();
    for (id, pointer) in [
        ("roc_auc", "/roc_auc/value"),
        ("expected_conversions", "/expected_conversions"),
        ("lift_top_10pct", "/top/2/lift"),
        ("precision", "/at_threshold/precision"),
    ] {
        let found = shown(id);
        assert_eq!(found[0].as_str().unwrap().parse::<f64>().unwrap(), metric(pointer), "{id}");
        let digits: String = found[1]
            .as_str()
            .unwrap()
            .chars()
            .filter(|c| c.is_ascii_digit() || *c == '.')
            .collect();
        let near = digits.parse::<f64>().unwrap() / if id == "precision" { 100.0 } else { 1.0 };
        assert!((near - metric(pointer)).abs() <= 0.05, "{id}: {found}");
    }
    let rows =
        browser.script("return [...document.querySelectorAll('#performance > .pair tr')].map(r => [...r.cells].map(c => c.textContent))");
    for (name, pointer) in [
        ("ROC AUC", "/roc_auc/value"),
        ("log loss", "/log_loss/value"),
        ("Brier score", "/brier/value"),
        ("average precision", "/average_precision"),
    ] {
        let row = rows.as_array().unwrap().iter().find(|row| row[0] == name).unwrap();
        assert_eq!(row[1].as_str().unwrap(), format!("{:.4}", metric(pointer)));
    }
    let bars = browser.script(
        "return [...document.querySelectorAll('#lift .bar title')].map(t => t.textContent)",
    );
    let lift = evaluation["gains"][0]["lift"].as_f64().unwrap();
    assert!(bars[0].as_str().unwrap().ends_with(&format!("lift {lift:.2}")), "{bars}");
}

#[test]
#[ignore = "needs chromedriver"]
fn hostile_names_run_nothing() {
    let browser = Browser::start();
    let project = crate::report::hostile();
    project.pql(&["report", "t", "-o", "page.html"]).done();
    browser.screen(360, "light");
    browser.visit(&address(&project, "page.html"));
    let (said, asked) = browser.log();
    assert!(said.is_empty() && asked.len() <= 2, "{said:?} {asked:?}");
    assert_eq!(
        browser.script("return [typeof window.hit, document.scripts.length, document.querySelectorAll('img, b, iframe').length]"),
        serde_json::json!(["undefined", 0, 0])
    );
    assert!(
        browser
            .script("return document.body.textContent")
            .as_str()
            .unwrap()
            .contains("<script>window.hit=1</script>")
    );
}
