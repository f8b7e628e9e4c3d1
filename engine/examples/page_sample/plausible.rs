//! A made-up report of a census-like table: every part is filled, nothing is measured.

use tgs_protocol::{
    column::ColumnKind,
    gate::GateLevel,
    report::{
        Aspect, Better, ColumnPicture, ColumnReport, CorrelationMatrices, Curve, DistanceCurves,
        Embedding, GateOutcome, Metric, PairReport, Report, TablesCompared, Verdict,
    },
};

use super::{Purpose, Stream};

/// The report.
pub fn report() -> Report {
    let mut columns: Vec<ColumnReport> = NUMBERS.iter().enumerate().map(number_column).collect();
    columns.extend(LEVELS.iter().enumerate().map(level_column));
    columns.sort_by(|a, b| a.shape.unwrap_or(0.0).total_cmp(&b.shape.unwrap_or(0.0)));
    let names: Vec<String> = NUMBERS
        .iter()
        .map(|number| number.0)
        .chain(LEVELS.iter().map(|level| level.0))
        .map(String::from)
        .collect();
    Report {
        version: 1,
        verdict: Verdict::Pass,
        gates: gates(),
        tables: TablesCompared {
            train_rows: 26_048,
            holdout_rows: 6_513,
            synthetic_rows: 32_561,
            columns: columns.len() as u64,
            left_out: vec![
                ("record_id".into(), "an id: unique in every row, made anew".into()),
                ("remarks".into(), "free text: replaced by look-alikes of its pattern".into()),
            ],
            model: Some(
                "tabgraph: 5,312 steps of 1,024 rows, width 256, 4 blocks, 12 evaluations".into(),
            ),
        },
        metrics: metrics(),
        columns,
        pairs: pairs(&names),
        orders: Vec::new(),
        correlations: correlations(&names),
        embedding: embedding(),
        distances: distances(),
        curves: curves(),
        notices: vec![
            "Nearest-record distances were measured on 10,000 rows of each table.".into(),
            "The utility measure predicts income, chosen because it is the last category.".into(),
        ],
    }
}

/// Name, kind, centre, spread, share of zeros, skew.
type Number = (&'static str, ColumnKind, f64, f64, f64, f64);
const NUMBERS: [Number; 7] = [
    ("age", ColumnKind::Integer, 38.0, 13.0, 0.0, 0.4),
    ("fnlwgt", ColumnKind::Integer, 180_000.0, 95_000.0, 0.0, 0.5),
    ("education_num", ColumnKind::Integer, 10.0, 2.5, 0.0, 0.0),
    ("capital_gain", ColumnKind::Integer, 7_000.0, 5_000.0, 0.91, 0.9),
    ("hours_per_week", ColumnKind::Integer, 40.0, 11.0, 0.0, 0.0),
    ("blood_pressure", ColumnKind::Real, 128.4, 17.5, 0.0, 0.1),
    ("admission_date", ColumnKind::Date, 1.45e9, 9.0e7, 0.0, 0.0),
];

type Level = (&'static str, &'static [&'static str]);
const LEVELS: [Level; 8] = [
    ("workclass", &["Private", "Self-emp-not-inc", "Local-gov", "State-gov", "Self-emp-inc"]),
    ("education", EDUCATION),
    ("marital_status", &["Married-civ-spouse", "Never-married", "Divorced", "Separated"]),
    ("occupation", OCCUPATION),
    ("relationship", &["Husband", "Not-in-family", "Own-child", "Unmarried", "Wife"]),
    ("sex", &["Male", "Female"]),
    ("native_country", &["United-States", "Mexico", "Philippines", "Germany", "other values (38)"]),
    ("income", &["<=50K", ">50K"]),
];
const EDUCATION: &[&str] = &[
    "HS-grad",
    "Some-college",
    "Bachelors",
    "Masters",
    "Assoc-voc",
    "11th",
    "Assoc-acdm",
    "10th",
    "7th-8th",
    "Prof-school",
    "9th",
    "12th",
    "Doctorate",
    "5th-6th",
    "1st-4th",
    "Preschool",
];
const OCCUPATION: &[&str] = &[
    "Prof-specialty",
    "Craft-repair",
    "Exec-managerial",
    "Adm-clerical",
    "Sales",
    "Other-service",
    "Machine-op-inspct",
    "Transport-moving",
    "Handlers-cleaners",
    "Farming-fishing",
    "Tech-support",
    "Protective-serv",
    "Priv-house-serv",
    "Armed-Forces",
];

fn number_column((index, column): (usize, &Number)) -> ColumnReport {
    let (name, kind, centre, spread, zeros, skew) = *column;
    let mut stream = Stream::new(1, Purpose::Test, index as u64);
    let mut draw = |stray: f64| {
        if stream.uniform() < zeros * (1.0 - stray / 40.0) {
            return 0.0;
        }
        let normal = stream.normal();
        let value = centre + spread * (normal + skew * (normal * normal - 1.0) / 2.0);
        value + stray * spread * 0.02 * f64::from(index as u32 % 4)
    };
    let real: Vec<f64> = (0..9_000).map(|_| draw(0.0)).collect();
    let synthetic: Vec<f64> = (0..9_000).map(|_| draw(1.0)).collect();
    let low = real.iter().copied().fold(f64::INFINITY, f64::min);
    let high = real.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let bins = 36;
    let edges: Vec<f64> =
        (0..=bins).map(|bin| low + (high - low) * f64::from(bin) / f64::from(bins)).collect();
    let shares = |values: &[f64]| {
        let mut counts = vec![0.0; bins as usize];
        for value in values {
            let bin = ((value - low) / (high - low) * f64::from(bins)).clamp(0.0, 35.0) as usize;
            counts[bin] += 1.0 / values.len() as f64;
        }
        counts
    };
    let (real, synthetic) = (shares(&real), shares(&synthetic));
    let mut gap = 0.0_f64;
    let mut furthest = 0.0_f64;
    for (a, b) in real.iter().zip(&synthetic) {
        gap += a - b;
        furthest = furthest.max(gap.abs());
    }
    ColumnReport {
        name: name.into(),
        kind,
        shape: Some(1.0 - furthest),
        adherence: Some(1.0),
        coverage: Some(1.0 - furthest / 3.0),
        missing: if index == 5 { (0.031, 0.029) } else { (0.0, 0.0) },
        wasserstein: Some(furthest * 1.4),
        jaccard: None,
        picture: ColumnPicture::Numbers { edges, real, synthetic },
    }
}

fn level_column((index, (name, names)): (usize, &Level)) -> ColumnReport {
    let mut stream = Stream::new(2, Purpose::Test, index as u64);
    let weights: Vec<f64> = (0..names.len()).map(|rank| 1.0 / (1.0 + rank as f64 * 0.9)).collect();
    let total: f64 = weights.iter().sum();
    let real: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
    let moved: Vec<f64> =
        real.iter().map(|share| share * (1.0 + 0.05 * stream.normal()).max(0.1)).collect();
    let total: f64 = moved.iter().sum();
    let synthetic: Vec<f64> = moved.iter().map(|share| share / total).collect();
    let distance: f64 = real.iter().zip(&synthetic).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2.0;
    ColumnReport {
        name: (*name).into(),
        kind: if names.len() == 2 { ColumnKind::Boolean } else { ColumnKind::Category },
        shape: Some(1.0 - distance),
        adherence: Some(1.0),
        coverage: Some(1.0),
        missing: if index == 0 { (0.056, 0.055) } else { (0.0, 0.0) },
        wasserstein: None,
        jaccard: Some(1.0),
        picture: ColumnPicture::Levels {
            names: names.iter().map(|name| (*name).into()).collect(),
            real,
            synthetic,
        },
    }
}

fn gates() -> Vec<GateOutcome> {
    let gate = |gate: &str, value, threshold, level, meaning: &str| GateOutcome {
        gate: gate.into(),
        value: Some(value),
        threshold,
        level,
        passes: true,
        meaning: meaning.into(),
    };
    let block = GateLevel::Block;
    vec![
        gate(
            "membership_advantage",
            0.012,
            0.1,
            block,
            "Guessing who trained the model succeeds 1.2 % more often than a coin toss.",
        ),
        gate(
            "utility_ratio",
            0.981,
            0.8,
            GateLevel::Warn,
            "A model trained on synthetic rows reaches 98 % of one trained on real rows.",
        ),
        gate(
            "ks_mean",
            0.011,
            0.15,
            block,
            "Numeric columns differ by 1.1 % of their rows on average.",
        ),
        gate(
            "correlation_difference",
            0.014,
            0.2,
            block,
            "Associations between columns differ by 0.014 on average.",
        ),
        gate("rare_copies", 0.0, 0.0, block, "No synthetic row equals a rare training row."),
        gate(
            "personal_data",
            0.0,
            0.0,
            GateLevel::Warn,
            "No column that looks like names or addresses of people holds real ones.",
        ),
    ]
}

/// Key, name, aspect, value, interval, better, ideal, real rows, meaning: one metric per line.
const METRICS: &str = include_str!("metrics.txt");

fn metrics() -> Vec<Metric> {
    let metric = |line: &str| {
        let cells: Vec<&str> = line.split('|').collect();
        let number = |at: usize| cells[at].parse().ok();
        let aspect = match cells[2] {
            "fidelity" => Aspect::Fidelity,
            "utility" => Aspect::Utility,
            "privacy" => Aspect::Privacy,
            _ => Aspect::Validity,
        };
        let better = match cells[5] {
            "higher" => Better::Higher,
            "lower" => Better::Lower,
            _ => Better::Ideal,
        };
        Metric {
            key: cells[0].into(),
            name: cells[1].into(),
            aspect,
            value: number(3),
            interval: number(4),
            better,
            ideal: number(6).unwrap_or(1.0),
            real_rows: number(7),
            meaning: cells[8].into(),
        }
    };
    METRICS.lines().map(metric).collect()
}

fn pairs(names: &[String]) -> Vec<PairReport> {
    let mut stream = Stream::new(3, Purpose::Test, 0);
    let mut pairs = Vec::new();
    for (index, a) in names.iter().enumerate() {
        for b in &names[index + 1..] {
            let stray = (stream.normal() * 0.02).abs();
            pairs.push(PairReport {
                a: a.clone(),
                b: b.clone(),
                trend: Some(1.0 - stray * 1.3),
                trend_real_edges: Some(1.0 - stray),
            });
        }
    }
    pairs
}

fn correlations(names: &[String]) -> CorrelationMatrices {
    let mut stream = Stream::new(4, Purpose::Test, 0);
    let count = names.len();
    let (mut real, mut synthetic) =
        (vec![Some(1.0); count * count], vec![Some(1.0); count * count]);
    for i in 0..count {
        for j in 0..i {
            let both_numbers = i < NUMBERS.len();
            let normal = stream.normal() * 0.33;
            let value = if both_numbers { normal } else { normal.abs() }.clamp(-0.95, 0.95);
            let made = (value * 0.97 + stream.normal() * 0.015).clamp(-1.0, 1.0);
            for (row, column) in [(i, j), (j, i)] {
                real[row * count + column] = Some(value);
                synthetic[row * count + column] = Some(made);
            }
        }
    }
    CorrelationMatrices { columns: names.to_vec(), real, synthetic }
}

fn embedding() -> Embedding {
    let mut stream = Stream::new(5, Purpose::Test, 0);
    let centres = [(-4.0, 1.5, 1.1), (0.5, -2.0, 1.6), (3.5, 2.0, 0.8), (0.0, 3.4, 0.5)];
    let mut cloud = || -> Vec<(f32, f32)> {
        let mut point = || {
            let (x, y, spread) = centres[stream.below(4) as usize];
            let (a, b) = (stream.normal() * spread, stream.normal() * spread * 0.6);
            ((x + a + 0.4 * b) as f32, (y + b - 0.3 * a) as f32)
        };
        (0..1_500).map(|_| point()).collect()
    };
    Embedding { method: "PCA".into(), real: cloud(), synthetic: cloud() }
}

fn distances() -> DistanceCurves {
    let curve = |scale: f64, shift: f64| -> Vec<f64> {
        let at = |part: f64| scale * (-(1.0 - part * 0.995).ln()).sqrt() * 0.4 + shift * part;
        (0..=100).map(|index| at(f64::from(index) / 100.0)).collect()
    };
    DistanceCurves {
        synthetic_to_train: curve(1.0, 0.02),
        synthetic_to_holdout: curve(1.01, 0.03),
        holdout_to_train: curve(1.04, 0.05),
    }
}

fn curves() -> Vec<Curve> {
    let mut stream = Stream::new(6, Purpose::Test, 0);
    let mut curve = |name: &str, floor: f64, noise: f64| Curve {
        name: name.into(),
        points: (0..=60)
            .map(|index| {
                let step = index * 88;
                let fall = 1.4 / (1.0 + step as f64 / 220.0);
                (step, floor + fall + stream.normal() * noise)
            })
            .collect(),
    };
    vec![curve("training loss", 0.41, 0.012), curve("validation loss", 0.44, 0.004)]
}
