//! Rows in the plane: real, synthetic, and both, on one scale.

use tgs_protocol::{figure, report::Embedding};

use super::{
    markup::{Element, el},
    svg::{self, Path, Scale},
};

const SIDE: f64 = 360.0;
/// More dots than these only make the page heavier.
const DOTS_MAX: usize = 2_500;
/// Dots that overlap add up only between paths, so they are spread over some.
const LAYERS: usize = 6;

/// Three panels.
pub fn section(embedding: &Embedding) -> Element {
    let section = el("section").attr("id", "plane").add(el("h2").text("Rows in the plane"));
    let all = || embedding.real.iter().chain(&embedding.synthetic);
    if embedding.real.is_empty() || embedding.synthetic.is_empty() {
        return section
            .add(el("p").class("none").text("Not measured: there were no rows to draw."));
    }
    let x = scale_of(all().map(|point| point.0), (6.0, SIDE - 6.0));
    let y = scale_of(all().map(|point| point.1), (SIDE - 6.0, 6.0));
    let deck = format!(
        "Every dot is a row, placed by {} so that similar rows lie close together. The two clouds \
         should have the same shape: an empty place is a group of people that the synthetic table \
         forgot, a lonely blue dot is one that it made up.",
        embedding.method
    );
    let real = cloud(&embedding.real, &x, &y).attr("id", "cloud-real").class("cloud real");
    let synthetic =
        cloud(&embedding.synthetic, &x, &y).attr("id", "cloud-synthetic").class("cloud synthetic");
    let again = |id: &str| el("use").attr("href", id);
    let both = el("g").add(again("#cloud-real")).add(again("#cloud-synthetic"));
    section.add(el("p").class("deck").text(deck)).add(
        el("div")
            .class("panels")
            .add(panel("real", &shown("Real", embedding.real.len()), real))
            .add(panel("synthetic", &shown("Synthetic", embedding.synthetic.len()), synthetic))
            .add(panel("", "Both", both)),
    )
}

fn shown(name: &str, rows: usize) -> String {
    let drawn = rows.div_ceil(stride(rows));
    format!("{name}, {}", figure::counted(drawn as u64, "row"))
}

fn panel(class: &str, name: &str, dots: Element) -> Element {
    let drawing = svg::drawing(SIDE, SIDE, &format!("{name}: rows in the plane"))
        .class("scatter")
        .add(svg::rect(0.5, 0.5, SIDE - 1.0, SIDE - 1.0).class("frame"))
        .add(dots);
    let bead = (!class.is_empty()).then(|| el("i").class(&format!("bead {class}")));
    el("figure").add(el("figcaption").add_all(bead).text(name)).add(drawing)
}

fn cloud(points: &[(f32, f32)], x: &Scale, y: &Scale) -> Element {
    let mut layers = vec![Path::default(); LAYERS];
    let finite = points.iter().step_by(stride(points.len())).filter(|p| (p.0 + p.1).is_finite());
    for (index, point) in finite.enumerate() {
        let (x, y) = (x.at(f64::from(point.0)), y.at(f64::from(point.1)));
        let tenth = |value: f64| (value * 10.0).round() / 10.0;
        layers[index % LAYERS].dot(tenth(x), tenth(y));
    }
    el("g").add_all(layers.into_iter().map(Path::draw))
}

fn stride(rows: usize) -> usize {
    rows.div_ceil(DOTS_MAX).max(1)
}

/// From the 0.5 % to the 99.5 % quantile and a margin; the few rows outside lie on the frame.
fn scale_of(values: impl Iterator<Item = f32>, range: (f64, f64)) -> Scale {
    let mut sorted: Vec<f32> = values.filter(|value| value.is_finite()).collect();
    sorted.sort_by(f32::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return Scale::new((0.0, 1.0), range);
    };
    let quantile = |part: f64| f64::from(sorted[(last as f64 * part).round() as usize]);
    let (low, high) = (quantile(0.005), quantile(0.995));
    let margin = (high - low) * 0.06;
    Scale::new((low - margin, high + margin), range)
}
