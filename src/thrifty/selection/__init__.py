"""From scores to the few frames that are sent to people: ranking, and the temporal rules for video."""
