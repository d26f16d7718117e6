"""The radiologists' page: a drawn study, its readers' queues, and the book in which every change that they make stands.

Imports mine, audit, images, store and what lies under them; called by the command line, imports and exports.
"""
