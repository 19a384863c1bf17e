#!/usr/bin/env python3
"""Reads the JSON of `linnet list --all --json` and names better models that this machine can hold, one of each size.

usage: linnet list --all --json | better_models.py PROGRAM     PROGRAM: how the person calls linnet
"""
import json
import sys

TIERS = (0.7e9, 2.5e9, 6e9, float("inf"))  # parameters; a step up is about three times better and slower


def choose(models):
    """The largest open chat model that fits, of each tier."""
    chosen = []
    for low, high in zip((0.2e9, *TIERS), TIERS):
        fitting = [model for model in models if low < model["parameters"] <= high and model["fits"] and model["chat"]
                   and not model["gated"]]
        if fitting:
            chosen.append(max(fitting, key=lambda model: model["parameters"]))
    return chosen


def main():
    chosen = choose(json.load(sys.stdin))
    print("SmolLM2-135M is tiny: it writes well and knows little.")
    if not chosen:
        print("Nothing larger of the list fits into the memory that is free now.")
        return
    print("Better ones that fit into this machine's memory:")
    width = max(len(model["name"]) for model in chosen)
    for model in chosen:
        print(f"  {sys.argv[1]} pull {model['name']:<{width}}  {model['bytes'] / 1e9:5.1f} GB to fetch, "
              f"{model['memory'] / 1e9:4.1f} GB of memory")
    print(f"All of them: {sys.argv[1]} list --all")


if __name__ == "__main__":
    main()
