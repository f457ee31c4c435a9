"""CSV and TSV, exact everywhere and native where that is safe."""
