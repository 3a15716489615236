"""Transcripts: what clients say and hear, and what targets hear and say."""
