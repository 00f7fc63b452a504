//! A hundred thousand points in a picture of a thousand columns.
//!
//! - A line is broken where its value is not finite, so a gap means "no number".
//! - Each column of pixels keeps its first, least, greatest and last point (the
//!   M4 aggregation of Jugel et al., VLDB 2014): drawn as lines, these four
//!   cover the same pixels as all the points of the column would, so nothing
//!   that could be seen is lost.
//! - The smooth line is a centered moving mean, and the legend says over how many.

/// The runs of consecutive points whose coordinates are all finite.
pub(crate) fn finite_segments(points: &[(f64, f64)]) -> impl Iterator<Item = &[(f64, f64)]> {
    points.split(|(x, y)| !(x.is_finite() && y.is_finite())).filter(|segment| !segment.is_empty())
}

/// The least and the greatest of finite values; of none, an infinity and its negative.
pub(crate) fn extent(values: &[f64]) -> (f64, f64) {
    let start = (f64::INFINITY, f64::NEG_INFINITY);
    values.iter().fold(start, |(least, greatest), &v| (least.min(v), greatest.max(v)))
}

/// Which points to draw: at most four for each column of pixels; `points` are in drawing order.
pub(crate) fn kept(points: &[(i32, i32)]) -> Vec<usize> {
    let mut kept: Vec<usize> = Vec::new();
    let mut first = 0;
    for column in points.chunk_by(|a, b| a.0 == b.0) {
        let by_height = |&i: &usize| points[i].1;
        let indices = first..first + column.len();
        first = indices.end;
        let Some(least) = indices.clone().min_by_key(by_height) else { continue };
        let Some(greatest) = indices.clone().max_by_key(by_height) else { continue };
        let mut wanted = [indices.start, least, greatest, indices.end - 1];
        wanted.sort_unstable();
        let start = kept.len();
        for index in wanted {
            if kept[start..].last().map(|&last| points[last]) != Some(points[index]) {
                kept.push(index);
            }
        }
    }
    kept
}

/// The mean over `window` values around each point; near the ends, and near a value
/// that is not finite, over those of them that are there.
pub fn moving_mean(points: &[(f64, f64)], window: usize) -> Vec<(f64, f64)> {
    let half = window / 2;
    let mut means = Vec::with_capacity(points.len());
    for part in points.split_inclusive(|(_, y)| !y.is_finite()) {
        let (finite, gap) = match part.split_last() {
            Some((last, before)) if !last.1.is_finite() => (before, Some(*last)),
            _ => (part, None),
        };
        let mut sums = Vec::with_capacity(finite.len() + 1);
        sums.push(0.0);
        let mut sum = 0.0;
        for (_, y) in finite {
            sum += y;
            sums.push(sum);
        }
        for (i, &(x, _)) in finite.iter().enumerate() {
            let (from, to) = (i.saturating_sub(half), finite.len().min(i + half + 1));
            means.push((x, (sums[to] - sums[from]) / (to - from) as f64));
        }
        means.extend(gap);
    }
    means
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thin_out(points: &[(i32, i32)]) -> Vec<(i32, i32)> {
        kept(points).into_iter().map(|index| points[index]).collect()
    }

    #[test]
    fn a_spike_of_one_iteration_in_100_000_is_still_in_the_picture() {
        let mut points: Vec<(i32, i32)> = (0..100_000).map(|i| (i / 100, 50 + i % 3)).collect();
        points[54_321].1 = -7;
        let thinned = thin_out(&points);
        assert!(thinned.contains(&(543, -7)));
        assert!(thinned.len() <= 4 * 1000, "{} points", thinned.len());
        assert_eq!(thinned.first(), points.first());
        assert_eq!(thinned.last(), points.last());
    }

    #[test]
    fn thinning_leaves_a_line_that_is_thin_already() {
        let points = [(0, 3), (1, 1), (1, 2), (5, 2)];
        assert_eq!(thin_out(&points), points);
        assert_eq!(thin_out(&[]), []);
        assert_eq!(thin_out(&[(0, 1), (0, 1), (0, 1)]), [(0, 1)]);
    }

    #[test]
    fn the_order_within_a_column_is_kept() {
        let points = [(0, 5), (0, 9), (0, 1), (0, 6)];
        assert_eq!(thin_out(&points), points);
        let points = [(0, 5), (0, 1), (0, 4), (0, 9), (0, 6)];
        assert_eq!(thin_out(&points), [(0, 5), (0, 1), (0, 9), (0, 6)]);
    }

    #[test]
    fn a_value_that_is_not_finite_leaves_a_gap_and_spoils_no_mean() {
        let points = [(0., 1.), (1., 2.), (2., f64::NAN), (3., 5.), (4., f64::INFINITY)];
        let segments: Vec<_> = finite_segments(&points).collect();
        assert_eq!(segments, [&points[..2], &points[3..4]]);
        let mean = moving_mean(&points, 3);
        assert_eq!(mean.len(), points.len());
        assert_eq!((mean[1], mean[3]), ((1., 1.5), (3., 5.)));
        assert!(mean[2].1.is_nan());
    }
}
