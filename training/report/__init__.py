"""Reports on a model's scores: pages, pictures, tables and model cards, in Markdown."""
