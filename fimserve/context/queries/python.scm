(class_definition name: (identifier) @name) @type
(function_definition name: (identifier) @name) @function
(module (expression_statement (assignment left: (identifier) @name) @value))
(import_statement) @import
(import_from_statement) @import
