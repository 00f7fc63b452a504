//! Pictures as PDF: shapes as vectors, text as text that can be searched, selected and copied.
//!
//! The same drawing gives the same bytes: there is no date in the file, and no random identifier.

mod font;

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::types::{LineCapStyle, LineJoinStyle};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};
use resvg::tiny_skia::{PathSegment, Transform};
use resvg::usvg::{self, Color, Group, LineCap, LineJoin, Node, Paint, Tree};

use crate::Error;
use crate::picture::parse;
use font::Fonts;

/// Points of a PDF for each pixel of an SVG: 96 pixels are an inch, as in CSS.
const POINTS: f32 = 0.75;

/// Draws the text of an SVG as a PDF of one page, which is as large as the drawing.
///
/// # Errors
/// [`Error::Draw`] if it is no SVG, or has what is not drawn as PDF: a picture of pixels, a gradient,
/// a filter, a mask, or something transparent.
pub fn svg_to_pdf(svg: &str, title: &str) -> Result<Vec<u8>, Error> {
    let size = parse(svg)?.size();
    let picture = Placed { svg: svg.to_owned(), x: 0.0, y: 0.0, scale: 1.0 };
    write(title, (size.width(), size.height()), &[vec![picture]])
}

/// An SVG on a page.
pub(crate) struct Placed {
    /// Its text.
    pub svg: String,
    /// Pixels from the left of the page.
    pub x: f32,
    /// Pixels from the top of the page.
    pub y: f32,
    /// Pixels of the page for each of its own.
    pub scale: f32,
}

/// Writes pages of `size`, width and height in pixels, with the pictures of each.
///
/// # Errors
/// As for [`svg_to_pdf`].
pub(crate) fn write(
    title: &str,
    size: (f32, f32),
    pages: &[Vec<Placed>],
) -> Result<Vec<u8>, Error> {
    let mut next = Ref::new(1);
    let [catalog, page_tree, info] = [next.bump(), next.bump(), next.bump()];
    let (width, height) = (POINTS * size.0, POINTS * size.1);
    let mut fonts = Fonts::default();
    let mut contents = Vec::new();
    for page in pages {
        let mut drawing = Drawing { content: Content::new(), fonts: &mut fonts };
        // A PDF counts upward from the lower left corner.
        let page_from_pixels = Transform::from_row(POINTS, 0.0, 0.0, -POINTS, 0.0, height);
        for placed in page {
            let tree = parse(&placed.svg)?;
            let place =
                Transform::from_row(placed.scale, 0.0, 0.0, placed.scale, placed.x, placed.y);
            drawing.group(&tree, tree.root(), page_from_pixels.pre_concat(place))?;
        }
        contents.push(compressed(drawing.content.finish().as_slice())?);
    }

    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(page_tree).lang(TextStr("en"));
    pdf.document_info(info).title(TextStr(title)).creator(TextStr("Chainrule"));
    let places: Vec<(Ref, Ref)> = pages.iter().map(|_| (next.bump(), next.bump())).collect();
    pdf.pages(page_tree)
        .kids(places.iter().map(|(page, _)| *page))
        .count(i32::try_from(pages.len()).unwrap_or(i32::MAX));
    let embedded = fonts.embed(&mut pdf, &mut next)?;
    for ((page, content), bytes) in places.iter().zip(&contents) {
        let mut page = pdf.page(*page);
        page.parent(page_tree).media_box(Rect::new(0.0, 0.0, width, height)).contents(*content);
        let mut resources = page.resources();
        let mut names = resources.fonts();
        for (name, font) in &embedded {
            names.pair(Name(name.as_bytes()), *font);
        }
        names.finish();
        resources.finish();
        page.finish();
        pdf.stream(*content, bytes).filter(Filter::FlateDecode);
    }
    Ok(pdf.finish())
}

fn compressed(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.map_err(|error| Error::Draw(error.to_string()))
}

/// The content of one page.
struct Drawing<'a> {
    content: Content,
    fonts: &'a mut Fonts,
}

impl Drawing<'_> {
    /// Draws a group; `to_page` takes its parent's coordinates to the page.
    fn group(&mut self, tree: &Tree, group: &Group, to_page: Transform) -> Result<(), Error> {
        let is_plain = group.opacity().get() == 1.0
            && group.clip_path().is_none()
            && group.mask().is_none()
            && group.filters().is_empty();
        if !is_plain {
            return Err(not_drawn("a group that is transparent, clipped, masked or filtered"));
        }
        let to_page = to_page.pre_concat(group.transform());
        for node in group.children() {
            match node {
                Node::Group(group) => self.group(tree, group, to_page)?,
                Node::Path(path) => self.path(path, to_page)?,
                Node::Text(text) => {
                    for span in text.layouted().iter().filter(|span| span.visible) {
                        self.span(tree, span, to_page)?;
                    }
                }
                Node::Image(_) => return Err(not_drawn("a picture of pixels")),
            }
        }
        Ok(())
    }

    fn path(&mut self, path: &usvg::Path, to_page: Transform) -> Result<(), Error> {
        if !path.is_visible() {
            return Ok(());
        }
        self.content.save_state();
        self.content.transform(row(to_page));
        if let Some(fill) = path.fill() {
            self.fill_color(color(fill.paint(), fill.opacity().get())?);
        }
        if let Some(stroke) = path.stroke() {
            let [r, g, b] = color(stroke.paint(), stroke.opacity().get())?;
            self.content.set_stroke_rgb(r, g, b);
            self.content.set_line_width(stroke.width().get());
            self.content.set_miter_limit(stroke.miterlimit().get());
            self.content.set_line_cap(match stroke.linecap() {
                LineCap::Butt => LineCapStyle::ButtCap,
                LineCap::Round => LineCapStyle::RoundCap,
                LineCap::Square => LineCapStyle::ProjectingSquareCap,
            });
            self.content.set_line_join(match stroke.linejoin() {
                LineJoin::Miter | LineJoin::MiterClip => LineJoinStyle::MiterJoin,
                LineJoin::Round => LineJoinStyle::RoundJoin,
                LineJoin::Bevel => LineJoinStyle::BevelJoin,
            });
            if let Some(dashes) = stroke.dasharray() {
                self.content.set_dash_pattern(dashes.iter().copied(), stroke.dashoffset());
            }
        }
        let mut last = usvg::tiny_skia_path::Point::default();
        for segment in path.data().segments() {
            match segment {
                PathSegment::MoveTo(to) => {
                    self.content.move_to(to.x, to.y);
                    last = to;
                }
                PathSegment::LineTo(to) => {
                    self.content.line_to(to.x, to.y);
                    last = to;
                }
                // The cubic curve that is this quadratic one.
                PathSegment::QuadTo(by, to) => {
                    let toward = |from: f32, by: f32| from + 2.0 / 3.0 * (by - from);
                    self.content.cubic_to(
                        toward(last.x, by.x),
                        toward(last.y, by.y),
                        toward(to.x, by.x),
                        toward(to.y, by.y),
                        to.x,
                        to.y,
                    );
                    last = to;
                }
                PathSegment::CubicTo(a, b, to) => {
                    self.content.cubic_to(a.x, a.y, b.x, b.y, to.x, to.y);
                    last = to;
                }
                PathSegment::Close => {
                    self.content.close_path();
                }
            }
        }
        let by_parity = path.fill().is_some_and(|fill| fill.rule() == usvg::FillRule::EvenOdd);
        match (path.fill().is_some(), path.stroke().is_some()) {
            (true, true) if by_parity => self.content.fill_even_odd_and_stroke(),
            (true, true) => self.content.fill_nonzero_and_stroke(),
            (true, false) if by_parity => self.content.fill_even_odd(),
            (true, false) => self.content.fill_nonzero(),
            (false, true) => self.content.stroke(),
            (false, false) => self.content.end_path(),
        };
        self.content.restore_state();
        Ok(())
    }

    /// Text of one color.
    fn span(
        &mut self,
        tree: &Tree,
        span: &usvg::layout::Span,
        to_page: Transform,
    ) -> Result<(), Error> {
        for line in [&span.underline, &span.overline].into_iter().flatten() {
            self.path(line, to_page)?;
        }
        let Some(fill) = &span.fill else { return Ok(()) };
        self.fill_color(color(fill.paint(), fill.opacity().get())?);
        self.content.begin_text();
        let mut glyphs = span.positioned_glyphs.iter().peekable();
        while let Some(first) = glyphs.next() {
            let font = self.fonts.of(tree, first.font)?;
            // A font of size 1 is measured in em.
            let em = self.fonts.units_per_em(font);
            let place = |glyph: &usvg::layout::PositionedGlyph| {
                to_page.pre_concat(glyph.outline_transform()).pre_scale(em, em)
            };
            let start = place(first);
            self.content.set_font(Name(self.fonts.name(font).as_bytes()), 1.0);
            self.content.set_text_matrix(row(start));
            let mut shown = self.content.show_positioned();
            let mut items = shown.items();
            let (mut glyph, mut end) = (first, 0.0);
            loop {
                let (code, advance) = self.fonts.take(font, glyph);
                items.show(Str(&code.to_be_bytes()));
                end += advance;
                // The next one stands on the same line, after some distance.
                let Some(next) = glyphs.peek().filter(|next| next.font == first.font) else {
                    break;
                };
                let Some(along) = distance_along(start, place(next)) else { break };
                let gap = end - along;
                if gap.abs() > 1e-3 {
                    items.adjust(1000.0 * gap);
                    end = along;
                }
                glyph = glyphs.next().expect("it was seen");
            }
        }
        self.content.end_text();
        if let Some(line) = &span.line_through {
            self.path(line, to_page)?;
        }
        Ok(())
    }

    fn fill_color(&mut self, [r, g, b]: [f32; 3]) {
        self.content.set_fill_rgb(r, g, b);
    }
}

/// How far `to` lies along the line of text that begins at `from`, in em; nothing if it stands on
/// another line, or otherwise.
fn distance_along(from: Transform, to: Transform) -> Option<f32> {
    let same = |a: f32, b: f32| (a - b).abs() < 1e-4;
    let stands_alike = same(from.sx, to.sx)
        && same(from.kx, to.kx)
        && same(from.ky, to.ky)
        && same(from.sy, to.sy);
    let (x, y) = (to.tx - from.tx, to.ty - from.ty);
    let across = x * from.ky - y * from.sx;
    let length = from.sx * from.sx + from.ky * from.ky;
    (stands_alike && across.abs() < 1e-3 * length).then(|| (x * from.sx + y * from.ky) / length)
}

/// Red, green and blue, each from 0 to 1.
fn color(paint: &Paint, opacity: f32) -> Result<[f32; 3], Error> {
    match paint {
        Paint::Color(Color { red, green, blue }) if opacity == 1.0 => {
            Ok([red, green, blue].map(|&part| f32::from(part) / 255.0))
        }
        Paint::Color(_) => Err(not_drawn("something transparent")),
        _ => Err(not_drawn("a gradient or a pattern")),
    }
}

fn row(transform: Transform) -> [f32; 6] {
    let Transform { sx, kx, ky, sy, tx, ty } = transform;
    [sx, ky, kx, sy, tx, ty]
}

fn not_drawn(what: &str) -> Error {
    Error::Draw(format!("{what} is not drawn as PDF"))
}
