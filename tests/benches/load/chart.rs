//! The picture: bars on a panel of its own, in the colours that the reader's system prefers, and in fonts that are there.

use std::fmt::Write as _;

use super::{
    findings::{Findings, MANY, MOST, Step},
    report::grouped,
};

const WIDTH: f64 = 760.0;
/// Where bars begin; their names stand before.
const LEFT: f64 = 270.0;
/// How far the longest reaches; its number stands behind.
const RIGHT: f64 = 670.0;
const BAR: f64 = 20.0;
const PITCH: f64 = 28.0;
const HEADING: f64 = 44.0;
const EDGE: f64 = 20.0;

const STYLE: &str = "\
    .panel { fill: #ffffff; stroke: #d0d7de } \
    text { font: 13px system-ui, sans-serif; fill: #1f2328 } \
    .heading { font-weight: 600; font-size: 15px } \
    .ours { fill: #1a7f64 } \
    .other { fill: #9aa4ae } \
    @media (prefers-color-scheme: dark) { \
        .panel { fill: #161b22; stroke: #30363d } \
        text { fill: #e6edf3 } \
        .ours { fill: #2ea583 } \
        .other { fill: #6e7781 } \
    }";

/// A bar of a group.
struct Bar {
    name: &'static str,
    rate: f64,
    is_ours: bool,
}

/// The picture as SVG.
pub(crate) fn draw(sqlite: &Findings, postgres: &Findings) -> String {
    let bar = |name, findings: &Findings, step, is_ours| Bar {
        name,
        rate: findings.rate(step),
        is_ours,
    };
    let groups = [
        (
            "Tickets opened a second, Postgres",
            vec![
                bar("pgbench, 64 clients", postgres, Step::PgbenchCreate(MANY), false),
                bar("server, 64 connections", postgres, Step::Create(MANY), true),
                bar("server, 256 connections", postgres, Step::Create(MOST), true),
            ],
        ),
        (
            "Tickets opened a second, SQLite",
            vec![
                bar("with a commit for each", sqlite, Step::OneByOne, false),
                bar("server, 64 connections", sqlite, Step::Create(MANY), true),
                bar("server, 256 connections", sqlite, Step::Create(MOST), true),
            ],
        ),
        (
            "Threads of three messages read a second, 64 connections",
            vec![
                bar("pgbench, two selects", postgres, Step::PgbenchThread, false),
                bar("server, Postgres", postgres, Step::Thread, true),
                bar("server, Postgres, not modified", postgres, Step::ThreadAgain, true),
                bar("server, SQLite", sqlite, Step::Thread, true),
                bar("server, SQLite, not modified", sqlite, Step::ThreadAgain, true),
            ],
        ),
    ];
    let mut body = String::new();
    let mut top = EDGE;
    for (heading, bars) in groups {
        top = draw_group(&mut body, top, heading, &bars);
    }
    let height = top + EDGE / 2.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\">\n<title>Tickets opened and threads read a second</title>\n\
         <style>{STYLE}</style>\n<rect class=\"panel\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n\
         {body}</svg>\n",
        WIDTH - 1.0,
        height - 1.0,
    )
}

/// Draws one below `top`, and gives where it ends.
fn draw_group(body: &mut String, top: f64, heading: &str, bars: &[Bar]) -> f64 {
    let longest = bars.iter().map(|bar| bar.rate).fold(f64::MIN_POSITIVE, f64::max);
    let _ = writeln!(
        body,
        "<text class=\"heading\" x=\"{EDGE}\" y=\"{}\">{heading}</text>",
        top + 18.0
    );
    let mut y = top + HEADING - 12.0;
    for bar in bars {
        let class = if bar.is_ours { "ours" } else { "other" };
        let length = (RIGHT - LEFT) * bar.rate / longest;
        let middle = y + BAR / 2.0 + 4.5;
        let _ = writeln!(
            body,
            "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>\
             <rect class=\"{class}\" x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"3\"/>\
             <text x=\"{:.1}\" y=\"{middle}\">{}</text>",
            LEFT - 10.0,
            bar.name,
            LEFT + length + 8.0,
            grouped(bar.rate),
        );
        y += PITCH;
    }
    y + 12.0
}
