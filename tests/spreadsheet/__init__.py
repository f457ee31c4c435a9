"""Needs LibreOffice (`apt-get install libreoffice-calc`); `.ci/run` has it. Plain pytest leaves this folder out."""
