//! The page in a real browser: nothing is asked for, nothing complained of, everything works.

#[path = "../../../graph/tests/browser/driver.rs"]
mod driver;

use chainrule_report::page;
use driver::Browser;
use serde_json::json;

use crate::subject::{images, report, run};

const ARROW_LEFT: &str = "\u{E012}";
const ARROW_RIGHT: &str = "\u{E014}";
const ARROW_DOWN: &str = "\u{E015}";
const HOME: &str = "\u{E011}";
const ESCAPE: &str = "\u{E00C}";

fn open(browser: &Browser) {
    let (images, weights) = (images(), vec![0.5; 4 * 48]);
    let page = page(&[report(run("run-001", 1, true), &images, &weights)]).unwrap();
    browser.open(&page, "html");
}

/// The text of a chart: where the pointer stands, then each line's value.
fn values(browser: &Browser, chart: &str) -> Vec<String> {
    let values = browser.script(&format!(
        "const chart = document.querySelector('{chart}');
         return [chart.querySelector('.at'), ...chart.querySelectorAll('.value')]
           .map(e => e.textContent.replace(/\\s+/g, ' '));"
    ));
    serde_json::from_value(values).expect("texts")
}

#[test]
fn the_page_asks_for_nothing_and_the_console_stays_empty() {
    let Some(browser) = Browser::start() else { return };
    open(&browser);
    let (images, weights) = (images(), vec![0.5; 4 * 48]);
    for seed in [1, 2] {
        let asked = browser.script("return performance.getEntriesByType('resource').length");
        assert_eq!(asked, 0, "the page asked for something");
        assert_eq!(browser.console(), Vec::<String>::new());
        // Then the page that compares.
        let reports = [1, seed + 1].map(|n| report(run("r", n, true), &images, &weights));
        browser.open(&page(&reports).unwrap(), "html");
    }
}

#[test]
fn the_pointer_reads_the_values_of_every_line() {
    let Some(browser) = Browser::start() else { return };
    open(&browser);
    let last = ["", "75.00 %", "56.25 %"];
    assert_eq!(values(&browser, "#accuracy"), last);
    // Over the middle of 120 iterations lies the first epoch's end.
    browser.hover("#accuracy .area", 0.5, 0.5);
    assert_eq!(values(&browser, "#accuracy"), ["iteration 60", "50.00 %", "43.75 %"]);
    let cross = browser.script(
        "const c = document.querySelector('#accuracy .cross');
         const area = document.querySelector('#accuracy .area').getBoundingClientRect();
         const middle = e => {
           const box = e.getBoundingClientRect();
           return [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
         };
         const across = e => Math.round(1000 * (middle(e)[0] - area.left) / area.width);
         const up = e => Math.round(1000 * (area.bottom - middle(e)[1]) / area.height);
         return [c.hasAttribute('hidden'), across(c),
           ...[...document.querySelectorAll('#accuracy .dot')].map(d => [across(d), up(d)])]",
    );
    // In thousandths of the plot; the axis goes to 80 %, and 50 and 43.75 are shown.
    assert_eq!(cross, json!([false, 500, [500, 625], [500, 547]]));
    browser.hover("#accuracy .area", 0.1, 0.5);
    assert_eq!(values(&browser, "#accuracy"), ["iteration 0", "33.33 %", "34.00 %"]);
    browser.hover("h1", 0.5, 0.5);
    assert_eq!(values(&browser, "#accuracy"), last);
    // The line of single minibatches is read between the epochs: 0.4 + 30 / (30 + 10).
    browser.hover("#loss .area", 0.25, 0.5);
    let loss = values(&browser, "#loss");
    assert_eq!((loss[0].as_str(), loss[1].as_str()), ("iteration 30", "1.150"));
}

#[test]
fn the_keyboard_reads_them_too_and_tells_a_screen_reader() {
    let Some(browser) = Browser::start() else { return };
    open(&browser);
    browser.script("document.querySelector('#accuracy .plot').focus()");
    browser.press(ARROW_RIGHT);
    assert_eq!(values(&browser, "#accuracy")[0], "iteration 0");
    browser.press(ARROW_RIGHT);
    assert_eq!(values(&browser, "#accuracy"), ["iteration 60", "50.00 %", "43.75 %"]);
    let status = browser.script(
        "return document.activeElement.getAttribute('aria-valuetext').replace(/\\s+/g, ' ')",
    );
    assert_eq!(status, "iteration 60, training set 50.00 %, validation set 43.75 %");
    browser.press(ARROW_LEFT);
    browser.press(ARROW_LEFT);
    assert_eq!(values(&browser, "#accuracy")[0], "iteration 0");
    browser.press(ESCAPE);
    assert_eq!(values(&browser, "#accuracy")[0], "");
    browser.press(ARROW_LEFT);
    assert_eq!(values(&browser, "#accuracy")[0], "iteration 120");
    browser.press(HOME);
    assert_eq!(values(&browser, "#accuracy")[0], "iteration 0");

    browser.script("document.querySelector('.confusion').focus()");
    browser.press(ARROW_DOWN);
    browser.press(ARROW_RIGHT);
    browser.press(ARROW_RIGHT);
    let words = browser.text(".cell").replace('\u{a0}', " ");
    assert_eq!(words, "1 of 3 cat & \"dog\" (33.3 %) predicted as it's");
}

#[test]
fn switches_change_the_scale_and_hide_lines() {
    let Some(browser) = Browser::start() else { return };
    open(&browser);
    let shown = |chart: &str| {
        browser.script(&format!(
            "return [...document.querySelectorAll('{chart} .drawing')]
               .filter(d => d.getBoundingClientRect().height > 50).map(d => d.dataset.scale)"
        ))
    };
    assert_eq!(shown("#loss"), json!(["linear"]));
    browser.click("#loss .scale");
    assert_eq!(shown("#loss"), json!(["log"]));
    // The dots stand on the logarithmic lines then.
    browser.hover("#loss .drawing:not([hidden]) .area", 0.5, 0.5);
    let apart = browser.script(
        "const drawing = document.querySelector('#loss .drawing:not([hidden])');
         const dots = [...drawing.querySelectorAll('.dot')];
         const line = drawing.querySelectorAll('.line')[dots.length - 1].querySelector('path');
         const dot = dots[dots.length - 1].getBoundingClientRect();
         const y = (dot.top + dot.bottom) / 2, x = (dot.left + dot.right) / 2;
         let nearest = Infinity;
         for (let s = 0; s <= line.getTotalLength(); s += 0.5) {
           const p = line.getPointAtLength(s).matrixTransform(line.getScreenCTM());
           nearest = Math.min(nearest, Math.hypot(p.x - x, p.y - y));
         }
         return nearest;",
    );
    assert!(apart.as_f64().unwrap() < 1.5, "{apart}");
    browser.click("#loss .scale");
    assert_eq!(shown("#loss"), json!(["linear"]));

    let lines = "return [...document.querySelectorAll('#accuracy .line')]
                   .map(l => l.getBoundingClientRect().width > 0)";
    assert_eq!(browser.script(lines), json!([true, true]));
    browser.click("#accuracy li:first-child button");
    assert_eq!(browser.script(lines), json!([false, true]));
    browser.hover("#accuracy .area", 0.5, 0.5);
    assert_eq!(values(&browser, "#accuracy"), ["iteration 60", "75.00 %", "43.75 %"]);
    browser.click("#accuracy li:first-child button");
    assert_eq!(browser.script(lines), json!([true, true]));
}

#[test]
fn no_width_of_the_window_makes_the_page_wider_than_itself() {
    let Some(browser) = Browser::start() else { return };
    open(&browser);
    for width in [320, 390, 700, 1000, 1600] {
        browser.resize(width, 800);
        let wide = browser.script("return document.documentElement.scrollWidth");
        assert_eq!(wide, width, "at {width}");
        // A chart keeps its height, and its numbers can be read.
        let charts = browser.script(
            "return [...document.querySelectorAll('.drawing:not([hidden]) .plot')].every(plot => {
               const shown = plot.viewBox.baseVal.width / plot.getBoundingClientRect().width;
               const letters = [...plot.querySelectorAll('text')]
                 .map(text => parseFloat(getComputedStyle(text).fontSize) / shown);
               const area = plot.querySelector('.area').getBoundingClientRect();
               return area.height >= 100 && Math.min(...letters) >= 9;
             })",
        );
        assert_eq!(charts, true, "at {width}");
    }
}
