//! What other programs find in our PDF: `pdftotext` and `pdftoppm` of poppler.

use std::io::Write as _;
use std::process::{Command, Stdio};

use chainrule_report::{Cell, Document, svg_to_pdf};

const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"200\" height=\"100\">\
    <rect x=\"100\" y=\"50\" width=\"40\" height=\"20\" fill=\"#D55E00\"/>\
    <text x=\"10\" y=\"20\" font-family=\"monospace\">1.879528816532e-12 σ′ ≈ 1</text></svg>";

/// What a program of poppler makes of a PDF on standard input; nothing if it is not installed.
fn poppler(program: &str, args: &[&str], pdf: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        eprintln!("passed over: {program} is not installed");
        return None;
    };
    child.stdin.take().unwrap().write_all(pdf).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(output.stdout)
}

fn text(pdf: &[u8]) -> Option<String> {
    poppler("pdftotext", &["-layout", "-", "-"], pdf).map(|text| String::from_utf8(text).unwrap())
}

#[test]
fn the_text_of_a_drawing_can_be_copied_with_every_digit() {
    let pdf = svg_to_pdf(SVG, "a drawing").unwrap();
    let Some(text) = text(&pdf) else { return };
    assert!(text.contains("1.879528816532e-12 σ′ ≈ 1"), "{text}");
}

#[test]
fn a_shape_stands_where_the_svg_has_it_and_the_page_is_as_large_as_the_drawing() {
    // At 96 pixels an inch a pixel is one of the SVG's.
    let pdf = svg_to_pdf(SVG, "a drawing").unwrap();
    let Some(ppm) = poppler("pdftoppm", &["-r", "96", "-aa", "no"], &pdf) else { return };
    let header = b"P6\n200 100\n255\n";
    assert!(ppm.starts_with(header), "{:?}", String::from_utf8_lossy(&ppm[..20]));
    for (i, pixel) in ppm[header.len()..].chunks(3).enumerate().skip(30 * 200) {
        let inside = (100..140).contains(&(i % 200)) && (50..70).contains(&(i / 200));
        let expected: [u8; 3] = if inside { [0xD5, 0x5E, 0] } else { [255; 3] };
        assert_eq!(pixel, expected, "pixel {} {}", i % 200, i / 200);
    }
}

#[test]
fn the_same_drawing_gives_the_same_file() {
    let [a, b] = [(); 2].map(|()| svg_to_pdf(SVG, "a drawing").unwrap());
    assert!(a == b && !a.windows(12).any(|bytes| bytes == b"CreationDate"));
}

#[test]
fn what_would_be_missing_on_paper_is_refused() {
    for (content, said) in [
        ("<rect width=\"9\" height=\"9\" fill-opacity=\"0.5\"/>", "transparent"),
        ("<g opacity=\"0.5\"><rect width=\"9\" height=\"9\"/></g>", "transparent"),
        (
            "<linearGradient id=\"g\"><stop stop-color=\"red\"/><stop offset=\"1\"/></linearGradient>\
             <rect width=\"9\" height=\"9\" fill=\"url(#g)\"/>",
            "gradient",
        ),
    ] {
        let svg = SVG.replace("<rect", &format!("{content}<rect"));
        let error = svg_to_pdf(&svg, "").unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("not drawn as PDF"), "{error}");
    }
}

#[test]
fn a_long_table_goes_on_under_its_titles_and_no_line_is_lost() {
    let mut document = Document::new("A long table");
    document.paragraph("It has 90 rows.");
    let row = |i: usize| vec![Cell::text(format!("row {i}")), Cell::value(format!("{}.5", i * i))];
    document.table(&["which", "how much"], &(0..90).map(row).collect::<Vec<_>>()).unwrap();
    let square = "<math><mo>=</mo><msup><mi>x</mi><mn>2</mn></msup></math>";
    document.heading(2, "Mathematics");
    document.table(&[], &[vec![Cell::math(square), Cell::text("a square")]]).unwrap();
    let Some(text) = text(&document.pdf().unwrap()) else { return };
    let pages: Vec<&str> = text.split('\u{c}').filter(|page| !page.trim().is_empty()).collect();
    assert_eq!(pages.len(), 4, "{text}");
    for (i, page) in pages.iter().enumerate() {
        assert!(page.trim_end().ends_with(&format!("{} of 4", i + 1)), "{page}");
        assert_eq!(page.matches("how much").count(), usize::from(i < 3), "{page}");
    }
    for i in 0..90 {
        let line =
            text.lines().find(|line| line.split_whitespace().take(2).eq(["row", &i.to_string()]));
        assert!(line.is_some_and(|line| line.ends_with(&format!(" {}.5", i * i))), "row {i}");
    }
    assert!(text.contains("a square"));
    let unknown = Cell::math("<math><mtable/></math>");
    assert!(document.table(&[], &[vec![unknown]]).unwrap_err().to_string().contains("mtable"));
}
