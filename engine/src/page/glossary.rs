//! How to read the report, in the words of somebody who did not write it.

use super::markup::{Element, el};

const TERMS: [(&str, &str); 15] = [
    (
        "Synthetic row",
        "A row that a model made up after it had learned from real rows. It belongs to nobody.",
    ),
    (
        "Rows kept aside (holdout)",
        "Real rows that the model never saw. Whatever holds for them holds for strangers, so \
         they are the yardstick for both likeness and privacy.",
    ),
    (
        "Shape score",
        "One column by itself: 1 less the Kolmogorov–Smirnov distance for numbers and dates, 1 \
         less the total variation distance for categories. 1 is a perfect match.",
    ),
    (
        "Pair trend",
        "Two columns together: how similar their correlation is, or the table of counts of \
         their values. 1 is a perfect match.",
    ),
    (
        "Association",
        "How strongly two columns hang together: Pearson correlation for two numbers, Cramér’s \
         V for two categories, the correlation ratio for one of each. 0 is nothing, 1 is \
         everything.",
    ),
    (
        "Adherence and coverage",
        "Adherence: does the synthetic column stay inside the real range or the real set of \
         values? Coverage: does it reach all of it?",
    ),
    (
        "Detection (C2ST)",
        "A classifier learns to tell real from synthetic rows. An area under the curve of 0.5 \
         is a coin toss: it cannot. 1 means that it always can.",
    ),
    (
        "Train on synthetic, test on real",
        "A model trained on synthetic rows predicts real rows that were kept aside; its score \
         stands beside the score of a model trained on real rows.",
    ),
    (
        "α-precision and β-recall",
        "Precision: how many synthetic rows are plausible. Recall: how much of the real table \
         they reach.",
    ),
    (
        "Distance to the closest record",
        "How far a synthetic row is from its nearest training row. As many rows should lie \
         nearer to training rows as to kept-aside rows: a share of 0.5.",
    ),
    (
        "Exact matches and rare rows",
        "Synthetic rows equal to a training row. A common combination may well be met by \
         chance; a copy of a rare one gives a person away.",
    ),
    (
        "Membership inference",
        "An attacker who knows a person’s row guesses whether it trained the model. Success \
         beyond chance is the advantage: 0 is none.",
    ),
    (
        "Singling out, linking, inferring",
        "Three attacks on a person: a description that fits nobody else, two halves of a record \
         brought together, a column guessed from the others. What also works on strangers says \
         nothing about who was in the table; the risk is what works on training rows beyond that.",
    ),
    (
        "Nearest-neighbour distance ratio",
        "Distance to the nearest training row over the distance to the second nearest. Near 0, \
         a synthetic row points at one person; near 1, at a crowd.",
    ),
    (
        "95 % interval",
        "Were the measurement repeated with other rows, it would fall this close in 19 of 20 \
         cases.",
    ),
];

/// The reading guide.
pub fn section() -> Element {
    let entries =
        TERMS.map(|(term, meaning)| el("div").add(el("dt").text(term)).add(el("dd").text(meaning)));
    el("section")
        .attr("id", "guide")
        .add(el("h2").text("How to read this"))
        .add(el("dl").class("glossary").add_all(entries))
        .add(el("p").class("note").text(
            "These measures support a decision and do not take it. They bound what known attacks \
             find; only a model trained with differential privacy carries a proof.",
        ))
}
