"""Turns a list of image URLs into a dataset that trains first time."""
