//! The pages in a browser: no requests, readable charts, and the numbers of the model card.

use serde_json::Value;

use crate::project::{Project, dice, lines};
use crate::webdriver::Browser;

/// Charts of the demo report.
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

/// Script that returns, for each chart, its id, its number of marks, whether it has an alternative
/// text, and texts that are cut off or overlap.
const INSPECT_CHARTS: &str = "
return [...document.querySelectorAll('svg.chart')].map(svg => {
  const box = svg.getBoundingClientRect();
  const words = [...svg.querySelectorAll(':scope > text')].filter(t => t.textContent).map(t => [t.textContent, t.getBoundingClientRect()]);
  const cut = words.filter(([, b]) => b.left < box.left - 1 || b.right > box.right + 1 || b.top < box.top - 1 || b.bottom > box.bottom + 1);
  const over = words.flatMap(([a, b], i) => words.slice(0, i).filter(([, o]) =>
    b.left < o.right - 1 && o.left < b.right - 1 && b.top < o.bottom - 4 && o.top < b.bottom - 4).map(([o]) => a + ' overlaps ' + o));
  return {
    id: svg.id,
    marks: [...svg.querySelectorAll('.dot, .bar, .line, .stroke')].filter(m => m.getBBox().width + m.getBBox().height > 0).length,
    described: svg.getAttribute('role') === 'img' && ['labelledby', 'describedby'].every(by => document.getElementById(svg.getAttribute('aria-' + by)).textContent.length > 3),
    table: svg.closest('figure').querySelectorAll('table tbody tr').length,
    size: Math.min(...words.map(([, b]) => b.height)),
    problems: cut.map(([t]) => t + ' is cut off').concat(over, alike(svg)),
  };
});
function alike(svg) {
  const names = [...svg.querySelectorAll('text.name')].map(t => [t.firstChild?.textContent, t.querySelector('title')?.textContent ?? t.textContent]);
  return names.flatMap(([shown, name], i) => names.slice(0, i).filter(([s, n]) => s === shown && n !== name).map(([, n]) => name + ' looks like ' + n));
}";

/// Script that returns boxes that overlap, rows of cards that do not end at the right edge, and
/// curves with a flat end.
const INSPECT_LAYOUT: &str = "
const boxes = [...document.querySelectorAll('figure, .tiles > div, aside, h1, h2, nav, #verdict, .pair > *, div.grid')];
const rect = b => b.getBoundingClientRect();
const name = b => b.tagName + ' ' + b.textContent.slice(0, 30);
const over = boxes.flatMap((a, i) => boxes.slice(0, i).filter(b => {
  const [p, q] = [rect(a), rect(b)];
  return !a.contains(b) && !b.contains(a) && p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 1 && q.top < p.bottom - 1;
}).map(b => name(a) + ' overlaps ' + name(b)));
const gaps = [...document.querySelectorAll('div.grid')].filter(g => g.lastElementChild && Math.abs(rect(g.lastElementChild).right - rect(g).right) > 1).map(g => 'an empty cell beside ' + name(g.lastElementChild));
const flat = [...document.querySelectorAll('svg[id^=effect-] path.line.yes')].filter(line => {
  const y = line.getAttribute('d').slice(1).split('L').map(p => +p.split(' ')[1]);
  const ends = [y, y.toReversed()].map(v => v.findIndex(p => p !== v[0]));
  return ends.some(run => run > 0.15 * y.length && run > 2) && Math.max(...y) - Math.min(...y) > 20;
}).map(line => line.closest('svg').id + ' has a flat end');
return over.concat(gaps, flat);";

/// Widths of the screens on which the pages are checked, and their color schemes.
const SCREENS: [(u32, &str); 3] = [(1440, "light"), (390, "dark"), (360, "light")];

fn demo(args: &[&str]) -> Project {
    let project = Project::new();
    let config = crate::common::root().join("data/demo/pql.toml");
    let set = "qualify.value={ revenue = 12000, cost = 1500 }";
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
fn a_report_makes_no_requests_and_shows_the_numbers_of_the_model_card() {
    let browser = Browser::start();
    let project = demo(&[]);
    let page = address(&project, "page.html");
    for (width, scheme) in SCREENS {
        browser.screen(width, scheme);
        browser.visit(&page);
        let (messages, requests) = browser.log();
        assert!(messages.is_empty(), "{messages:?}");
        assert!(requests.contains(&page), "the page itself is requested: {requests:?}");
        assert!(
            requests.iter().all(|url| *url == page || url.starts_with("data:")),
            "{requests:?}"
        );
        check_report_charts(&browser, width);
        let back = browser.script("return getComputedStyle(document.body).backgroundColor");
        assert_eq!(back == "rgb(245, 246, 248)", scheme == "light", "{back}");
    }
    let card: Value = serde_json::from_slice(&project.read("models/demo/0001/model.json")).unwrap();
    check_numbers(&browser, &card["evaluation"]);
}

/// Checks the charts of the demo report.
fn check_report_charts(browser: &Browser, width: u32) {
    let found = check_charts(browser, width);
    for id in CHARTS {
        assert!(found.iter().any(|drawn| drawn == id), "`{id}` is not drawn");
    }
    assert_eq!(found.iter().filter(|id| id.starts_with("effect-")).count(), 8);
}

/// Checks that each chart has marks, texts and a table, that no text is cut off, and that nothing
/// is wider than the screen. Returns the ids of the charts.
fn check_charts(browser: &Browser, width: u32) -> Vec<String> {
    assert_eq!(browser.script(INSPECT_LAYOUT), serde_json::json!([]), "at {width} pixels");
    let found = browser.script(INSPECT_CHARTS);
    let found = found.as_array().unwrap();
    for chart in found {
        assert!(
            chart["marks"].as_u64().unwrap() >= 3
                && chart["described"] == true
                && chart["table"].as_u64().unwrap() > 0,
            "{chart}"
        );
        assert!(chart["problems"].as_array().unwrap().is_empty(), "at {width} pixels: {chart}");
        assert!(
            chart["size"].as_f64().unwrap() >= 10.9,
            "text is too small at {width} pixels: {chart}"
        );
    }
    assert_eq!(
        browser.script("return document.documentElement.scrollWidth").as_u64(),
        Some(u64::from(width))
    );
    assert_eq!(browser.script("return document.scripts.length").as_u64(), Some(0));
    found.iter().map(|chart| chart["id"].as_str().unwrap().to_owned()).collect()
}

/// Opens a page in two widths and color schemes, and checks its requests and charts.
fn check_page(browser: &Browser, page: &str, drawn: &[&str]) {
    for (width, scheme) in SCREENS {
        browser.screen(width, scheme);
        browser.visit(page);
        let (messages, requests) = browser.log();
        assert!(messages.is_empty(), "{messages:?}");
        assert!(
            requests.iter().all(|url| *url == page || url.starts_with("data:")),
            "{requests:?}"
        );
        assert_eq!(check_charts(browser, width), drawn);
    }
}

#[test]
#[ignore = "needs chromedriver"]
fn a_comparison_makes_no_requests() {
    let browser = Browser::start();
    let project = crate::compare::rivals();
    let answer =
        project.pql(&["compare", "t/0002", "--format", "json", "--report", "page.html"]).done().out;
    let charts =
        ["roc", "gains", "reliability", "cutoff-differences", "cutoff-auc", "importance", "scores"];
    check_page(&browser, &address(&project, "page.html"), &charts);
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
fn a_monitor_page_makes_no_requests() {
    let browser = Browser::start();
    let project = crate::monitor::log();
    for day in ["2025-08-01", "2025-08-08"] {
        project.pql(&["score", "t", "--at", day, "--ledger", "ledger"]).done();
    }
    let answer = project
        .pql(&["monitor", "t", "--ledger", "ledger", "--format", "json", "--report", "page.html"])
        .out;
    let charts =
        ["scores-distribution", "indices", "feature-0", "feature-1", "reliability", "runs"];
    check_page(&browser, &address(&project, "page.html"), &charts);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let shown = browser
        .script("return document.getElementById('current_above_threshold').value")
        .as_str()
        .unwrap()
        .parse::<f64>()
        .unwrap();
    assert_eq!(shown, answer["scores"]["current_above_threshold"].as_f64().unwrap());
}

/// Checks the numbers of the header and of the table of metrics.
fn check_numbers(browser: &Browser, evaluation: &Value) {
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
        let rounded = digits.parse::<f64>().unwrap() / if id == "precision" { 100.0 } else { 1.0 };
        assert!((rounded - metric(pointer)).abs() <= 0.05, "{id}: {found}");
    }
    let rows =
        browser.script("return [...document.querySelectorAll('#performance > .pair tr')].map(r => [...r.cells].map(c => c.textContent))");
    for (name, pointer) in [
        ("ROC AUC", "/roc_auc/value"),
        ("Log loss", "/log_loss/value"),
        ("Brier score", "/brier/value"),
        ("Average precision", "/average_precision"),
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

/// Columns that differ only in their middle or at their end, and whole numbers with a long tail.
#[test]
#[ignore = "needs chromedriver"]
fn long_names_stay_distinct_and_counts_stay_whole() {
    let project = Project::new();
    let names = [
        "workspace_project_alpha_dashboard_exports",
        "workspace_project_gamma_dashboard_exports",
        "workspace_project_alpha_dashboard_export_a",
        "workspace_project_alpha_dashboard_export_b",
    ];
    let line = |row: u64| {
        let x: Vec<f64> = (0..4).map(|column| dice(row, column)).collect();
        let converted = u8::from(dice(row, 9) < 0.1 + 0.5 * x[0] * x[1]);
        let counts: Vec<String> =
            x.iter().map(|x| format!("{:.0}", (1.0 / (1.02 - x)).floor())).collect();
        format!("{row},{},{converted}", counts.join(","))
    };
    project.write(
        "rows.csv",
        format!("account_id,{},converted\n{}", names.join(","), lines(800, line)),
    );
    project.train(&["--features", "rows.csv", "--report", "page.html"]).done();
    let browser = Browser::start();
    for (width, scheme) in SCREENS {
        browser.screen(width, scheme);
        browser.visit(&address(&project, "page.html"));
        check_charts(&browser, width);
    }
    let values = browser.script("return [...document.querySelectorAll('figure:has(svg[id^=effect-]) tbody th')].map(t => t.textContent)");
    let values: Vec<&str> = values.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(values.len() >= 12 && values.iter().any(|v| v.ends_with(" or more")), "{values:?}");
    for value in values {
        assert!(value.trim_end_matches(" or more").parse::<u32>().is_ok(), "{value}");
    }
}

#[test]
#[ignore = "needs chromedriver"]
fn hostile_names_run_no_script() {
    let browser = Browser::start();
    let project = crate::report::hostile();
    project.pql(&["report", "t", "-o", "page.html"]).done();
    browser.screen(360, "light");
    browser.visit(&address(&project, "page.html"));
    let (messages, requests) = browser.log();
    assert!(messages.is_empty() && requests.len() <= 2, "{messages:?} {requests:?}");
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
