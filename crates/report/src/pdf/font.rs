//! The letters of a PDF: of each font the glyphs that are used, and the text that they stand for.

use std::collections::BTreeMap;

use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Filter, Finish, Name, Pdf, Rect, Ref, Str};
use resvg::usvg::{Tree, fontdb, layout::PositionedGlyph};
use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, GlyphId, MetadataProvider};
use subsetter::GlyphRemapper;

use super::compressed;
use crate::Error;

/// How a code of two bytes names a glyph: by its number.
const SYSTEM: SystemInfo<'static> =
    SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

/// The fonts of a document, in the order in which they were used first.
#[derive(Default)]
pub(super) struct Fonts(Vec<Font>);

struct Font {
    id: fontdb::ID,
    /// Its name in the resources of the pages.
    name: String,
    /// Its name in the font file.
    post_script_name: String,
    data: Vec<u8>,
    index: u32,
    units_per_em: f32,
    glyphs: GlyphRemapper,
    /// The text of each glyph, by its number in the document.
    text: BTreeMap<u16, String>,
    /// Widths in em, by number in the document; first that of the glyph of what is missing.
    widths: Vec<f32>,
}

impl Fonts {
    /// The place of a font of the tree.
    pub fn of(&mut self, tree: &Tree, id: fontdb::ID) -> Result<usize, Error> {
        if let Some(known) = self.0.iter().position(|font| font.id == id) {
            return Ok(known);
        }
        let unreadable = || Error::Draw("a font cannot be read".into());
        let face = tree.fontdb().face(id).ok_or_else(unreadable)?;
        let (data, index) = tree
            .fontdb()
            .with_face_data(id, |data, index| (data.to_vec(), index))
            .ok_or_else(unreadable)?;
        let mut font = Font {
            id,
            name: format!("F{}", self.0.len()),
            post_script_name: face.post_script_name.clone(),
            data,
            index,
            units_per_em: 0.0,
            glyphs: GlyphRemapper::new(),
            text: BTreeMap::new(),
            widths: Vec::new(),
        };
        font.units_per_em =
            f32::from(font.read()?.metrics(Size::unscaled(), LocationRef::default()).units_per_em);
        font.widths.push(font.width(0));
        self.0.push(font);
        Ok(self.0.len() - 1)
    }

    pub fn name(&self, font: usize) -> &str {
        &self.0[font].name
    }

    pub fn units_per_em(&self, font: usize) -> f32 {
        self.0[font].units_per_em
    }

    /// The number of a glyph in the document, and its width in em.
    pub fn take(&mut self, font: usize, glyph: &PositionedGlyph) -> (u16, f32) {
        let font = &mut self.0[font];
        let id = u16::try_from(glyph.id.0).unwrap_or_default(); // a font file has no more
        let code = font.glyphs.remap(id);
        if usize::from(code) == font.widths.len() {
            font.widths.push(font.width(id));
        }
        // A blank that does not break a line is a blank to who copies it.
        font.text.entry(code).or_insert_with(|| glyph.text.replace('\u{a0}', " "));
        (code, font.widths[usize::from(code)])
    }

    /// Writes the fonts; the names in the resources, and where each font is.
    pub fn embed(&self, pdf: &mut Pdf, next: &mut Ref) -> Result<Vec<(String, Ref)>, Error> {
        self.0.iter().map(|font| Ok((font.name.clone(), font.embed(pdf, next)?))).collect()
    }
}

impl Font {
    fn read(&self) -> Result<FontRef<'_>, Error> {
        FontRef::from_index(&self.data, self.index).map_err(|error| Error::Draw(error.to_string()))
    }

    /// The width of a glyph of the file, in em.
    fn width(&self, glyph: u16) -> f32 {
        let metrics =
            self.read().map(|font| font.glyph_metrics(Size::unscaled(), LocationRef::default()));
        let width = metrics.ok().and_then(|metrics| metrics.advance_width(GlyphId::from(glyph)));
        width.unwrap_or_default() / self.units_per_em
    }

    /// A font of numbered glyphs (PDF 32000-1, 9.7): the composite font, its one descendant, what
    /// describes it, the file, and the text of the glyphs.
    fn embed(&self, pdf: &mut Pdf, next: &mut Ref) -> Result<Ref, Error> {
        let [font, glyphs, descriptor, file, text] = [(); 5].map(|()| next.bump());
        // Six capital letters say that not all glyphs are there.
        let tag = format!("CHAIN{}+{}", char::from(b'A' + self.number()), self.post_script_name);
        let name = Name(tag.as_bytes());
        pdf.type0_font(font)
            .base_font(name)
            .encoding_predefined(Name(b"Identity-H"))
            .descendant_font(glyphs)
            .to_unicode(text);

        let mut numbered = pdf.cid_font(glyphs);
        numbered
            .subtype(CidFontType::Type2)
            .base_font(name)
            .system_info(SYSTEM)
            .font_descriptor(descriptor)
            .default_width(0.0)
            .cid_to_gid_map_predefined(Name(b"Identity"));
        numbered.widths().consecutive(0, self.widths.iter().map(|width| 1000.0 * width));
        numbered.finish();

        let metrics = self.read()?.metrics(Size::unscaled(), LocationRef::default());
        let thousandths = |units: f32| 1000.0 * units / self.units_per_em;
        let bounds = metrics.bounds.unwrap_or_default();
        let mut flags = FontFlags::SYMBOLIC;
        flags.set(FontFlags::FIXED_PITCH, metrics.is_monospace);
        flags.set(FontFlags::ITALIC, metrics.italic_angle != 0.0);
        pdf.font_descriptor(descriptor)
            .name(name)
            .flags(flags)
            .bbox(Rect::new(
                thousandths(bounds.x_min),
                thousandths(bounds.y_min),
                thousandths(bounds.x_max),
                thousandths(bounds.y_max),
            ))
            .italic_angle(metrics.italic_angle)
            .ascent(thousandths(metrics.ascent))
            .descent(thousandths(metrics.descent))
            .cap_height(thousandths(metrics.cap_height.unwrap_or(metrics.ascent)))
            .stem_v(80.0)
            .font_file2(file);

        let subset = subsetter::subset(&self.data, self.index, &self.glyphs)
            .map_err(|error| Error::Draw(error.to_string()))?;
        let bytes = compressed(&subset)?;
        let length = i32::try_from(subset.len()).unwrap_or(i32::MAX);
        pdf.stream(file, &bytes).filter(Filter::FlateDecode).pair(Name(b"Length1"), length);

        let mut map = UnicodeCmap::new(Name(b"Custom"), SYSTEM);
        for (&code, text) in &self.text {
            map.pair_with_multiple(code, text.chars());
        }
        pdf.cmap(text, &compressed(map.finish().as_slice())?).filter(Filter::FlateDecode);
        Ok(font)
    }

    fn number(&self) -> u8 {
        self.name.trim_start_matches('F').parse::<u8>().unwrap_or_default() % 26
    }
}
