//! The drawing in pixels: a backend of the plotting library that fills polygons.
//!
//! Everything becomes a polygon: a line its rectangles with round joints, a letter
//! the outline that the font gives. A pixel takes as much of the color as the
//! polygon covers of it, so edges are smooth. It does what the SVG asks for and
//! no more: opaque colors, lines, rectangles, discs, polygons, text.

use std::convert::Infallible;
use std::f32::consts::TAU;

use ab_glyph::{Font, FontRef, OutlineCurve, Point, point};
use ab_glyph_rasterizer::Rasterizer;
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    FontTransform,
};

use crate::letters;

type Outcome = Result<(), DrawingErrorKind<Infallible>>;

/// An RGB picture, row-major, that can be drawn on.
pub(crate) struct Raster<'a> {
    width: u32,
    height: u32,
    rgb: &'a mut [u8],
}

impl<'a> Raster<'a> {
    /// `rgb` has three bytes for each of the `width * height` pixels.
    pub(crate) fn new((width, height): (u32, u32), rgb: &'a mut [u8]) -> Raster<'a> {
        debug_assert_eq!(rgb.len(), width as usize * height as usize * 3);
        Raster { width, height, rgb }
    }

    /// Fills what the curves enclose; they lie in the rectangle from `least` to `greatest`.
    fn fill(&mut self, curves: &[OutlineCurve], color: BackendColor) {
        let (mut least, mut greatest) = (point(f32::MAX, f32::MAX), point(f32::MIN, f32::MIN));
        for curve in curves {
            for corner in corners(curve) {
                least = point(least.x.min(corner.x), least.y.min(corner.y));
                greatest = point(greatest.x.max(corner.x), greatest.y.max(corner.y));
            }
        }
        // What lies left of or above the picture is cut off after it was covered.
        let (left, top) = (least.x.floor(), least.y.floor());
        let right = greatest.x.ceil().min(self.width as f32);
        let bottom = greatest.y.ceil().min(self.height as f32);
        if right <= left || bottom <= top || right <= 0.0 || bottom <= 0.0 {
            return;
        }
        let mut cover = Rasterizer::new((right - left) as usize + 1, (bottom - top) as usize + 1);
        let shift = |p: Point| point(p.x - left, p.y - top);
        for curve in curves {
            match *curve {
                OutlineCurve::Line(a, b) => cover.draw_line(shift(a), shift(b)),
                OutlineCurve::Quad(a, b, c) => cover.draw_quad(shift(a), shift(b), shift(c)),
                OutlineCurve::Cubic(a, b, c, d) => {
                    cover.draw_cubic(shift(a), shift(b), shift(c), shift(d));
                }
            }
        }
        let (red, green, blue) = color.rgb;
        let (width, height) = (i64::from(self.width), i64::from(self.height));
        let rgb = &mut *self.rgb;
        cover.for_each_pixel_2d(|x, y, covered| {
            let (x, y) = (left as i64 + i64::from(x), top as i64 + i64::from(y));
            if covered > 0.0 && (0..width).contains(&x) && (0..height).contains(&y) {
                let at = (y * width + x) as usize * 3;
                let share = covered.min(1.0) * color.alpha as f32;
                for (under, over) in rgb[at..at + 3].iter_mut().zip([red, green, blue]) {
                    let (from, to) = (f32::from(*under), f32::from(over));
                    *under = (from + share * (to - from)).round() as u8;
                }
            }
        });
    }

    fn fill_corners(&mut self, corners: &[Point], color: BackendColor) {
        let next = corners.iter().cycle().skip(1);
        let edges: Vec<_> =
            corners.iter().zip(next).map(|(a, b)| OutlineCurve::Line(*a, *b)).collect();
        self.fill(&edges, color);
    }

    fn fill_disc(&mut self, center: Point, radius: f32, color: BackendColor) {
        let corners = (radius * 6.0).clamp(12.0, 96.0) as usize;
        let corners: Vec<_> = (0..corners)
            .map(|i| (TAU * i as f32 / corners as f32).sin_cos())
            .map(|(sin, cos)| point(center.x + radius * cos, center.y + radius * sin))
            .collect();
        self.fill_corners(&corners, color);
    }

    fn fill_segment(&mut self, a: Point, b: Point, width: f32, color: BackendColor) {
        let (across, down) = (b.x - a.x, b.y - a.y);
        let length = across.hypot(down);
        if length > 0.0 {
            let scale = width / 2.0 / length;
            let (x, y) = (-down * scale, across * scale);
            let corner = |p: Point, side: f32| point(p.x + side * x, p.y + side * y);
            let corners = [corner(a, 1.0), corner(b, 1.0), corner(b, -1.0), corner(a, -1.0)];
            self.fill_corners(&corners, color);
        }
    }

    fn stroke(&mut self, points: &[Point], width: u32, color: BackendColor) {
        let width = width as f32;
        for pair in points.windows(2) {
            self.fill_segment(pair[0], pair[1], width, color);
        }
        for joint in points.iter().skip(1).rev().skip(1) {
            self.fill_disc(*joint, width / 2.0, color);
        }
    }
}

fn corners(curve: &OutlineCurve) -> Vec<Point> {
    match *curve {
        OutlineCurve::Line(a, b) => vec![a, b],
        OutlineCurve::Quad(a, b, c) => vec![a, b, c],
        OutlineCurve::Cubic(a, b, c, d) => vec![a, b, c, d],
    }
}

fn at((x, y): BackendCoord) -> Point {
    point(x as f32, y as f32)
}

impl DrawingBackend for Raster<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn ensure_prepared(&mut self) -> Outcome {
        Ok(())
    }

    fn present(&mut self) -> Outcome {
        Ok(())
    }

    fn draw_pixel(&mut self, place: BackendCoord, color: BackendColor) -> Outcome {
        let Point { x, y } = at(place);
        let square = [point(x, y), point(x + 1.0, y), point(x + 1.0, y + 1.0), point(x, y + 1.0)];
        self.fill_corners(&square, color);
        Ok(())
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Outcome {
        self.stroke(&[at(from), at(to)], style.stroke_width(), style.color());
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Outcome {
        let (a, c) = (at(upper_left), at(bottom_right));
        let corners = [a, point(c.x, a.y), c, point(a.x, c.y), a];
        if fill {
            self.fill_corners(&corners[..4], style.color());
        } else {
            self.stroke(&corners, style.stroke_width(), style.color());
        }
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Outcome {
        let points: Vec<_> = path.into_iter().map(at).collect();
        self.stroke(&points, style.stroke_width(), style.color());
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Outcome {
        debug_assert!(fill, "the figures draw discs, no rings");
        self.fill_disc(at(center), radius as f32, style.color());
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Outcome {
        let corners: Vec<_> = corners.into_iter().map(at).collect();
        self.fill_corners(&corners, style.color());
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        place: BackendCoord,
    ) -> Outcome {
        let font = letters::font_file(style.style())
            .map_err(|error| DrawingErrorKind::FontError(Box::new(error)))?;
        let em = (style.size() / letters::LINE_HEIGHT) as f32;
        let scale = em / font.units_per_em().unwrap_or(2048.0);
        // As the SVG has it: the baseline 0.76 em below the anchor, half the height of an x, ...
        let ex = 0.547 * em;
        let baseline = match style.anchor().v_pos {
            VPos::Top => 0.76 * em,
            VPos::Center => 0.5 * ex,
            VPos::Bottom => -0.5 * ex,
        };
        let glyphs = glyphs(&font, text);
        let width = glyphs.last().map_or(0.0, |(_, _, end)| end * scale);
        let start = match style.anchor().h_pos {
            HPos::Left => 0.0,
            HPos::Center => -width / 2.0,
            HPos::Right => -width,
        };
        let anchor = at(place);
        let turn = |p: Point| match style.transform() {
            FontTransform::None => p,
            FontTransform::Rotate90 => point(-p.y, p.x),
            FontTransform::Rotate180 => point(-p.x, -p.y),
            FontTransform::Rotate270 => point(p.y, -p.x),
        };
        for (glyph, left, _) in glyphs {
            let Some(outline) = font.outline(glyph) else { continue };
            // The font's own units point upwards, the picture's downwards.
            let place = |p: Point| {
                let p = turn(point(start + (left + p.x) * scale, baseline - p.y * scale));
                point(anchor.x + p.x, anchor.y + p.y)
            };
            let curves: Vec<_> = outline
                .curves
                .iter()
                .map(|curve| match *curve {
                    OutlineCurve::Line(a, b) => OutlineCurve::Line(place(a), place(b)),
                    OutlineCurve::Quad(a, b, c) => OutlineCurve::Quad(place(a), place(b), place(c)),
                    OutlineCurve::Cubic(a, b, c, d) => {
                        OutlineCurve::Cubic(place(a), place(b), place(c), place(d))
                    }
                })
                .collect();
            self.fill(&curves, style.color());
        }
        Ok(())
    }
}

/// Each letter with its left and right edge, in the font's units, kerned.
fn glyphs(font: &FontRef<'_>, text: &str) -> Vec<(ab_glyph::GlyphId, f32, f32)> {
    let mut glyphs: Vec<(ab_glyph::GlyphId, f32, f32)> = Vec::new();
    for letter in text.chars() {
        let glyph = font.glyph_id(letter);
        let left =
            glyphs.last().map_or(0.0, |(last, _, end)| end + font.kern_unscaled(*last, glyph));
        glyphs.push((glyph, left, left + font.h_advance_unscaled(glyph)));
    }
    glyphs
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLACK: BackendColor = BackendColor { alpha: 1.0, rgb: (0, 0, 0) };

    /// How much black there is on a white sheet, in pixels.
    fn covered(paint: impl FnOnce(&mut Raster<'_>)) -> f32 {
        let mut rgb = vec![255; 40 * 30 * 3];
        paint(&mut Raster::new((40, 30), &mut rgb));
        rgb.iter().step_by(3).map(|v| f32::from(255 - v) / 255.0).sum()
    }

    #[test]
    fn shapes_cover_the_area_that_geometry_gives_them() {
        let disc = covered(|r| r.fill_disc(point(15.0, 15.0), 9.5, BLACK));
        assert!((disc - TAU / 2.0 * 9.5 * 9.5).abs() < 3.0, "{disc}");
        let slanted = covered(|r| r.fill_segment(point(5.0, 5.0), point(29.0, 12.0), 3.0, BLACK));
        assert!((slanted - 75.0).abs() < 0.5, "{slanted}"); // 7, 24, 25
        let triangle = [point(2.0, 2.0), point(12.0, 2.0), point(2.0, 22.0)];
        let triangle = covered(|r| r.fill_corners(&triangle, BLACK));
        assert!((triangle - 100.0).abs() < 0.5, "{triangle}");
    }

    #[test]
    fn what_lies_outside_is_cut_off_and_does_not_wrap_round() {
        let strip = covered(|r| {
            r.fill_segment(point(-100.0, 10.0), point(100.0, 10.0), 2.0, BLACK);
        });
        assert!((strip - 80.0).abs() < 0.5, "{strip}");
        let above = covered(|r| r.fill_disc(point(20.0, -50.0), 10.0, BLACK));
        let right = covered(|r| r.fill_disc(point(70.0, 10.0), 10.0, BLACK));
        assert_eq!((above, right), (0.0, 0.0));
    }
}
