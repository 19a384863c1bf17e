#!/usr/bin/env python3
"""Records scikit-learn's TF-IDF and logistic regression, which Linnet's weighted words follow, into
tests/golden/classifier/words.json. Needs scikit-learn.

usage: make_classifier.py        writes beside itself
"""
import json
import pathlib

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

TRAIN = [
    ("Where is my parcel? My parcel has not come.", "delivery"), ("the parcel is late", "delivery"),
    ("When will you deliver the order", "delivery"), ("Track my order, please", "delivery"),
    ("I want my money back", "refund"), ("refund the order, the order was wrong", "refund"),
    ("Can I get a refund? I paid 12.50 twice", "refund"), ("give me the money back now", "refund"),
    ("Wo ist MEIN Paket? Straße 7, ÄÖÜ", "delivery"), ("how do I pay by card", "payment"),
    ("my card was declined when I paid", "payment"), ("do you take cash or card_only", "payment"),
    ("İstanbul'da ödeme: kart 日本語 のカード", "payment"), ("a b c", "payment"), ("☃ !", "refund"),
]
ASKED = ["where is the parcel", "money back please", "is my card declined", "a", "", "parcel parcel parcel money",
         "STRASSE straße", "card_only 12 50", "never seen words here"]


def main():
    texts, labels = [t for t, _ in TRAIN], [label for _, label in TRAIN]
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    train = vectors.fit_transform(texts)
    model = LogisticRegression(C=1.0, tol=1e-8, max_iter=10_000).fit(train, labels)
    names = vectors.get_feature_names_out()
    asked = vectors.transform(ASKED)

    def row(matrix, i):
        one = matrix[i].tocoo()
        return sorted([names[j], round(float(v), 9)] for j, v in zip(one.coords[1], one.data))

    out = {
        "train": [{"text": text, "label": label, "weights": row(train, i)} for i, (text, label) in enumerate(TRAIN)],
        "idf": {name: round(float(v), 9) for name, v in zip(names, vectors.idf_)},
        "labels": list(model.classes_),
        "asked": [{"text": text, "weights": row(asked, i), "probabilities": [round(float(p), 9) for p in chances]}
                  for i, (text, chances) in enumerate(zip(ASKED, model.predict_proba(asked)))],
    }
    path = pathlib.Path(__file__).parent / "classifier" / "words.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(out, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
