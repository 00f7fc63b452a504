use chainrule_tensor::Isa;

use super::*;
use crate::augment::change::Change;
use crate::{Augmentation, FloatImages, Images};

/// Of no usual size, of the size that has a way of its own, and wider than a block of columns.
const ODD: Shape = Shape { channels: 3, height: 7, width: 9 };
const USUAL: Shape = Shape { channels: 2, height: 16, width: 32 };
const WIDE: Shape = Shape { channels: 2, height: 6, width: 300 };

fn images(n: usize, shape: Shape) -> Images {
    let pixels = (0..n * shape.dim()).map(|i| (i * 37 % 251) as u8).collect();
    Images::new(pixels, vec![0; n], shape, 1).unwrap()
}

/// Image `row` in an epoch, gathered in blocks of so many columns.
fn collect(pixels: Pixels, changes: &Changes, row: u32, block: usize) -> Vec<f32> {
    let (rows, dim) = (Augmented::new(pixels, changes), pixels.shape().dim());
    let mut all = vec![];
    for start in (0..dim).step_by(block) {
        let columns = start..(start + block).min(dim);
        let mut out = vec![f32::NAN; columns.len()];
        rows.gather(Isa::best(), &[row], columns, &mut out);
        all.extend(out);
    }
    all
}

/// [`collect`] of pixels as they are.
fn gathered(images: &Images, changes: &Changes, row: u32, block: usize) -> Vec<f32> {
    let (scale, shift) = (vec![1.0; images.dim()], vec![0.0; images.dim()]);
    collect(
        Pixels::Bytes { images, scale: &scale, shift: &shift, gains: None },
        changes,
        row,
        block,
    )
}

fn epoch(images: &Images, augmentation: Augmentation, epoch: u32) -> Changes {
    augmentation.draw(images, 5, epoch).unwrap()
}

/// The definition, pixel by pixel, of an image padded by reflection (numpy's `np.pad(...,
/// mode="reflect")`: d c b | a b c d | c b a), turned about its center, cut out of the padded
/// one, and mirrored.
fn plain(image: &[u8], Shape { channels, height, width }: Shape, change: Change) -> Vec<f32> {
    let inside = |at: i32, n: usize| {
        let at = at.rem_euclid(2 * (n as i32 - 1)) as usize;
        if at < n { at } else { 2 * (n - 1) - at }
    };
    let (sin, cos) = change.turn.map_or((0.0, 1.0), Turn::sin_cos);
    let mut out = vec![];
    for c in 0..channels {
        let pixel = |y: f64, x: f64| {
            let at = (c * height + inside(y as i32, height)) * width + inside(x as i32, width);
            f64::from(image[at])
        };
        for y in 0..height {
            for x in 0..width {
                let x = if change.flip { width - 1 - x } else { x };
                let (cy, cx) = ((height - 1) as f64 / 2.0, (width - 1) as f64 / 2.0);
                let v = y as f64 + f64::from(change.shift.0) - cy;
                let u = x as f64 + f64::from(change.shift.1) - cx;
                let (y, x) = (cy + cos * v - sin * u, cx + sin * v + cos * u);
                let (top, left) = (y.floor(), x.floor());
                let (fy, fx) = (y - top, x - left);
                let value = (1.0 - fy) * (1.0 - fx) * pixel(top, left)
                    + (1.0 - fy) * fx * pixel(top, left + 1.0)
                    + fy * (1.0 - fx) * pixel(top + 1.0, left)
                    + fy * fx * pixel(top + 1.0, left + 1.0);
                out.push(value as f32);
            }
        }
    }
    out
}

#[test]
fn nothing_asked_for_changes_nothing() {
    let images = images(4, ODD);
    let changes = epoch(&images, Augmentation::default(), 1);
    for row in 0..4 {
        let want: Vec<f32> = images.image(row).iter().map(|&x| f32::from(x)).collect();
        assert_eq!(gathered(&images, &changes, row as u32, 189), want);
    }
}

/// With blocks that are whole lines and others.
const SHAPES: [(Shape, [usize; 4]); 2] = [(ODD, [1, 16, 48, 189]), (USUAL, [128, 32, 48, 1024])];

/// Bytes and floats, in blocks that are whole lines and in others, against the definition.
fn agrees_with_the_definition(
    augmentation: Augmentation,
    shapes: &[(Shape, [usize; 4])],
    tolerance: f32,
) {
    for &(shape, blocks) in shapes {
        let (images, n) = (images(6, shape), shape.dim());
        let floats = images.pixels().iter().map(|&byte| f32::from(byte)).collect();
        let floats = FloatImages::new(floats, shape);
        let scale: Vec<f32> = (0..n).map(|j| (1 + j % 4) as f32).collect();
        let shift: Vec<f32> = (0..n).map(|j| j as f32).collect();
        // Of few images, so that the first and the last, which have no others beside them, are
        // moved in every direction.
        for (number, row) in (1..20).flat_map(|number| (0..6).map(move |row| (number, row))) {
            let changes = epoch(&images, augmentation, number);
            let want = plain(images.image(row as usize), shape, changes.each[row as usize]);
            let scaled: Vec<f32> =
                want.iter().zip(&scale).zip(&shift).map(|((x, a), b)| x * a + b).collect();
            for block in blocks {
                let bytes =
                    Pixels::Bytes { images: &images, scale: &scale, shift: &shift, gains: None };
                for (pixels, want) in [(bytes, &scaled), (Pixels::Floats(&floats), &want)] {
                    let found = collect(pixels, &changes, row, block);
                    let near = |(a, b): (&f32, &f32)| (a - b).abs() <= tolerance;
                    let same = found.len() == n && found.iter().zip(want).all(near);
                    assert!(same, "{:?}, blocks of {block}", changes.each[row as usize]);
                }
            }
        }
    }
}

#[test]
fn an_image_is_shifted_reflected_and_mirrored_as_the_definition_says_in_any_blocks() {
    let moved = Augmentation { flip: true, shift: 4, ..Augmentation::default() };
    let wide = (WIDE, [7, 128, 300, 3600]);
    agrees_with_the_definition(moved, &[SHAPES[0], SHAPES[1], wide], 0.0);
}

#[test]
fn an_image_is_turned_as_the_definition_says_in_any_blocks() {
    // Positions are f32: a pixel further along the line differs by 250, and four times that.
    for rotate in [15.0, 180.0] {
        let turned = Augmentation { flip: true, shift: 3, rotate, cutout: 0 };
        agrees_with_the_definition(turned, &SHAPES, 0.02);
    }
}

#[test]
fn a_square_is_cut_out_and_only_at_the_border_less_of_it() {
    let images = images(300, ODD);
    let changes = epoch(&images, Augmentation { cutout: 3, ..Augmentation::default() }, 1);
    let mut whole = 0;
    for row in 0..300 {
        let (found, image) = (gathered(&images, &changes, row as u32, 40), images.image(row));
        let (cy, cx) = changes.each[row].center;
        for (at, (&found, &pixel)) in found.iter().zip(image).enumerate() {
            let (y, x) = ((at / 9 % 7) as i32, (at % 9) as i32);
            let cut = (y - cy as i32).abs() <= 1 && (x - cx as i32).abs() <= 1;
            assert_eq!(found, if cut { 0.0 } else { f32::from(pixel) });
        }
        whole += usize::from((1..6).contains(&cy) && (1..8).contains(&cx));
    }
    assert!(whole > 0, "some lie within the image");
}
