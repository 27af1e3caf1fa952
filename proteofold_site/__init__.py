"""The pages of the published store. web/plugins/ hangs them into Datasette; everything here only reads."""
